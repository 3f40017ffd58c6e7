from __future__ import annotations

import pytest

from mlpipes_cli.html_page.text import marked, number, plain, share


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("<b>&\"'", "&lt;b&gt;&amp;&quot;&#x27;"),
        ("\x1b[31m\x00", "\\x1b[31m\\x00"),
        ("a\u202eb\ud800", "a\\u202eb\\ud800"),
        ("é日本 ", "é日本 "),
        ("x" * 61, "x" * 59 + "…"),
    ],
)
def test_a_value_is_text(value: str, shown: str) -> None:
    assert plain(value) == shown


def test_numbers_and_shares() -> None:
    assert [number(value) for value in (1234567, 0.000123456, 12.0, 1e300, -0.5, 145290.6, 99999.4)] == [
        "1,234,567", "0.00012346", "12", "1e+300", "-0.5", "145,291", "99999",
    ]  # fmt: skip
    assert [share(part, 10_000) for part in (0, 1, 10, 3333, 9999, 10_000)] == [
        "0 %", "< 0.1 %", "0.1 %", "33.3 %", "> 99.9 %", "100 %",
    ]  # fmt: skip
    assert share(0, 0) == "0 %"
    assert marked("list it under `drop` <b>") == "list it under <code>drop</code> &lt;b&gt;"
