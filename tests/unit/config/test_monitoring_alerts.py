"""``monitoring: alerts``: what is taken, and what is refused with one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlpipes_cli.config.project import load_project_config
from mlpipes_cli.errors import ConfigError


def alerts(folder: Path, *entries: str) -> list[str]:
    path = folder / "mlpipes.yaml"
    path.write_text("project: tests\nmonitoring:\n  alerts:\n" + "".join(f"  - {one}\n" for one in entries))
    return [alert.name for alert in load_project_config(path).monitoring.alerts]


def test_three_kinds_are_taken(tmp_path: Path) -> None:
    assert alerts(
        tmp_path,
        "{name: team, webhook: $HOOK, format: slack}",
        "{name: mail, email: [a@example.com], smtp: 'smtps://u:$P@mail.example.com', from: ml@example.com}",
        "{name: own, command: 'python alert.py'}",
    ) == ["team", "mail", "own"]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{name: a}", "needs one of `webhook`, `email` and `command`"),
        ("{name: a, webhook: $A, command: b}", "needs one of `webhook`, `email` and `command`"),
        ("{name: a, email: [a@example.com]}", "`email` needs `smtp` and `from`"),
        ("{name: a, webhook: $A, from: a@example.com}", "`smtp` and `from` are for `email`"),
        ("{name: a, command: b, format: slack}", "`format` is for `webhook`"),
        ("{name: a, webhook: ftp://example.com}", "expected an address such as https://"),
        ("{name: a, email: [you], smtp: $A, from: a@example.com}", "'you' is not a mail address"),
        ('{name: a, command: "b \'c"}', "No closing quotation"),
        ("{name: ok, command: c}", "duplicate name 'ok'"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, entry: str, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        alerts(tmp_path, "{name: ok, command: b}", entry)
    assert len(raised.value.problems) == 1 and said in raised.value.problems[0]
