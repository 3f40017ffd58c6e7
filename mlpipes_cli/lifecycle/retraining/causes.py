"""Whether there is a cause for a training: an alarm of the newest check, or enough new ground truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from mlpipes_cli.errors import UsageError

if TYPE_CHECKING:
    from mlpipes_cli.config.retraining.causes import Condition
    from mlpipes_cli.ports import ModelVersion
    from mlpipes_cli.ports.monitoring import StoredCheck
    from mlpipes_cli.ports.retraining.store import Retraining

MANUAL = "manual"


@dataclass(frozen=True)
class Cause:
    """Why a model is trained again.

    Attributes:
        kind: manual, drift, performance or truth.
        words: The same as a phrase.
        check: The check that found it, or None.
    """

    kind: str
    words: str
    check: UUID | None = None

    @property
    def summary(self) -> str:
        """The phrase with the check."""
        return self.words if self.check is None else f"{self.words}, check {self.check}"


BY_HAND = Cause(MANUAL, "a person asked for it")


def read(text: str) -> tuple[Condition, ...]:
    """Return the conditions of ``--if``.

    Raises:
        UsageError: One is unknown.
    """
    from mlpipes_cli.config.retraining.causes import conditions

    try:
        return conditions(text)
    except ValueError as error:
        raise UsageError(f"--if: {error}") from None


def find(
    conditions: Sequence[Condition],
    checks: Sequence[StoredCheck],
    truths: Callable[[], int],
) -> tuple[Cause | None, str]:
    """Return the first condition that holds, or None and why none does.

    Args:
        conditions: In the order in which they are looked at.
        checks: Checks of the version in use, newest first. The newest one with enough rows counts.
        truths: Returns how many served rows have received their ground truth since the last training.
    """
    newest = next((check for check in checks if check.enough or check.alarm), None)
    missing = []
    for condition in conditions:
        if condition.kind == "truth":
            number = truths()
            if number >= condition.rows:
                return Cause("truth", f"{number} new ground truths"), ""
            missing.append(f"{number} of {condition.rows} new ground truths")
        elif newest is None:
            missing.append(f"no check shows {condition.kind}: none with enough rows is stored")
        elif _drifted(newest.result) if condition.kind == "drift" else _decayed(newest.result):
            return Cause(condition.kind, condition.kind, newest.id), ""
        else:
            missing.append(f"the check of {_day(newest.checked_at)} shows no {_WORDS[condition.kind]}")
    return None, "; ".join(dict.fromkeys(missing))


_WORDS = {"drift": "drift", "performance": "loss of performance"}


def since(version: ModelVersion, history: Sequence[Retraining]) -> datetime:
    """Return from when on ground truth is new: the start of the last judged training, or of the version.

    Args:
        version: The version in use.
        history: Retrainings of the model, newest first.
    """
    last = next((retraining.started_at for retraining in history if retraining.outcome in JUDGED), None)
    made = datetime.fromtimestamp(version.created / 1000, UTC)
    return made if last is None else max(made, last)


JUDGED = ("promoted", "unchanged", "refused", "rolled back")


def _drifted(result: Mapping[str, Any]) -> bool:
    columns = [*result.get("columns", ()), *result.get("predictions", {}).values()]
    joint = result.get("joint") or {}
    return bool(joint.get("alarm")) or any(column["alarm"] for column in columns)


def _decayed(result: Mapping[str, Any]) -> bool:
    return bool((result.get("performance") or {}).get("alarm"))


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
