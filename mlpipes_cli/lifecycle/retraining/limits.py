"""The cool-down and the limit on tries, counted from the stored history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from mlpipes_cli.config.spans import words

if TYPE_CHECKING:
    from mlpipes_cli.config.retraining.settings import Retrain
    from mlpipes_cli.ports.retraining.store import Retraining

LOOKED_BACK = 1_000  # retrainings that are read
_UNDECIDED = ("failed", "killed")


def why_not(settings: Retrain, history: Sequence[Retraining], now: datetime) -> str:
    """Return why no retraining may start now, or an empty text.

    One that failed or was killed has decided nothing: it counts as a try, and begins no cool-down. A
    promotion that stands starts the count of tries anew. Entries from the future, made while a clock was
    wrong, are left out.

    Args:
        settings: ``monitoring: retrain``.
        history: Retrainings of the model, newest first.
        now: The time of the database.
    """
    past = [retraining for retraining in history if retraining.started_at <= now]
    decided = next((retraining for retraining in past if retraining.outcome not in _UNDECIDED), None)
    if decided is not None and (end := decided.started_at + settings.cool_down) > now:
        return (
            f"the last retraining started at {_at(decided.started_at)}, and the cool-down of "
            f"{words(settings.cool_down)} lasts until {_at(end)}"
        )
    stands = next((at for at, retraining in enumerate(past) if retraining.outcome == "promoted"), len(past))
    tries = [retraining for retraining in past[:stands] if retraining.started_at > now - settings.per]
    if len(tries) >= settings.max_tries:
        again = tries[settings.max_tries - 1].started_at + settings.per
        return (
            f"{len(tries)} retrainings within {words(settings.per)} led to no promotion that stands "
            f"(max_tries: {settings.max_tries}); the next one may start at {_at(again)}"
        )
    return ""


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
