"""Ground truth of predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Truth(NamedTuple):
    """The ground truth of a prediction, or of all predictions for one identifier of the caller.

    Attributes:
        value: The truth, as JSON text.
        prediction_id: The prediction, a UUID as text; None if ``caller_ids`` identify it.
        caller_ids: The value of the caller's id column, in each form in which it may have been stored (the
            number 5 as ``5`` or ``5.0``).
    """

    value: str
    prediction_id: str | None = None
    caller_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recorded:
    """The result of recording several truths.

    Attributes:
        stored: Number of predictions that had no truth and have one now.
        corrected: Number of predictions whose truth was a different one.
        unchanged: Number of predictions that had the same truth already.
        unknown: Positions of the truths without a prediction; they are not stored.
    """

    stored: int
    corrected: int
    unchanged: int
    unknown: Sequence[int]

    @property
    def matched(self) -> int:
        """The number of predictions that were found."""
        return self.stored + self.corrected + self.unchanged


class TruthStore(Protocol):
    """Stores ground truth of predictions; may be called from several threads."""

    def record(
        self,
        truths: Sequence[Truth],
        *,
        model: str,
        version: int | None = None,
        latest: bool = False,
        source: str | None = None,
        seconds: float = 30.0,
    ) -> Recorded:
        """Store all truths or none; they are on disk when the call returns.

        If one prediction has several truths, the last one is stored. The truth of an answered prediction also
        holds for its shadows, and a truth reported for a shadow is stored for the answered prediction.

        Args:
            truths: The reported truths.
            model: Only predictions of this registered model match.
            version: Only predictions of this version match.
            latest: If an identifier of the caller has several predictions, only the newest matches, not all.
            source: Who reported them.
            seconds: The time limit.

        Raises:
            Rejected: A value can never be stored.
            MlpipesError: The truths were not stored, or it is unknown whether they were; it is safe to record
                the same truths again.
        """

    def close(self) -> None:
        """Close the connections."""
