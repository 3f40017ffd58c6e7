from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mlpipes_cli.errors import UsageError
from mlpipes_cli.lifecycle import times


@pytest.mark.parametrize(
    ("text", "ago"),
    [("90s", 90), ("10m", 600), ("1h30m", 5400), ("2d", 172800), ("0.5h", 1800), (" 1m ", 60)],
)
def test_how_long_ago(text: str, ago: float) -> None:
    assert times.seconds(text, now=1_000_000.0) == 1_000_000.0 - ago


def test_when() -> None:
    noon = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()
    assert times.seconds("2026-11-21T12:00:00Z") == noon
    assert times.seconds("2026-11-21T14:00:00+02:00") == noon
    assert times.seconds("2026-11-21T12:00") == datetime(2026, 11, 21, 12).timestamp()
    assert times.seconds("2026-11-21") == datetime(2026, 11, 21).timestamp()


@pytest.mark.parametrize("text", ["", "yesterday", "10", "10 m", "m", "-5m", "2026-13-01", "5m later"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(UsageError, match=r"--since: .* is not a valid time"):
        times.seconds(text)
