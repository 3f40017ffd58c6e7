"""What ``mlpipes retrain --json`` prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlpipes_cli.errors import Refused

if TYPE_CHECKING:
    from mlpipes_cli.data.served_rows.parts import RowCounts
    from mlpipes_cli.lifecycle.promotion.verdict import Verdict


@dataclass(frozen=True)
class Retrained:
    """What a retraining did, or would do.

    Attributes:
        retrained: Whether candidates were trained.
        outcome: promoted, unchanged, refused, ``nothing`` without a cause, ``rolled back`` where the alias of
            ``serving`` was taken back instead, ``would retrain`` or ``would refuse`` for a dry run.
        why: One line.
        model: The registered model's name.
        alias: The alias that a better model gets.
        cause: manual, drift, performance or truth; None without a cause.
        check: The id of the check that found it, or None.
        id: The identifier of the stored retraining, or None.
        dataset: The version of the data set, such as loans@3, or None for another source.
        rows: Where the rows come from; None if none were read.
        training: What ``mlpipes train --json`` prints, or None.
        promotion: What ``mlpipes promote --json`` prints, or None.
        hint: What to do next; may be empty.
    """

    retrained: bool
    outcome: str
    why: str
    model: str
    alias: str
    cause: str | None = None
    check: str | None = None
    id: str | None = None
    dataset: str | None = None
    rows: RowCounts | None = None
    training: Mapping[str, Any] | None = None
    promotion: Verdict | None = None
    hint: str = ""

    def require(self) -> None:
        """Raise an error if a gate or a limit said no.

        Raises:
            Refused: It did (exit code 3).
        """
        if self.outcome in {"refused", "would refuse"}:
            raise Refused(self.why, self.hint)
