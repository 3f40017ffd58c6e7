"""What turned out to be true of predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Truth(NamedTuple):
    """What somebody says about a prediction, or about all predictions for one of his identifiers.

    Attributes:
        value: The truth, JSON text.
        prediction_id: The prediction, a UUID as text; None where ``caller_ids`` tell.
        caller_ids: What the caller's id column held, in each way in which it may have been stored
            (the number 5 as ``5`` or ``5.0``).
    """

    value: str
    prediction_id: str | None = None
    caller_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recorded:
    """What became of several truths.

    Attributes:
        stored: Predictions that have a truth now and had none.
        corrected: Predictions whose truth was another one.
        unchanged: Predictions that had this very truth.
        unknown: The positions of the truths for which there is no prediction; nothing is kept of them.
    """

    stored: int
    corrected: int
    unchanged: int
    unknown: Sequence[int]

    @property
    def matched(self) -> int:
        """Predictions that were found."""
        return self.stored + self.corrected + self.unchanged


class TruthStore(Protocol):
    """Keeps what is true of stored predictions; may be asked from several threads."""

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
        """Keep all or nothing; when it returns they are on disk.

        Of several truths for one prediction the last one counts. The truth of an answered prediction
        is that of its shadows too, and what is said of a shadow is kept for the answered one.

        Args:
            truths: What is said.
            model: Only predictions of this registered model are meant.
            version: And only of this version.
            latest: Of several predictions for an identifier of the caller's only the newest is
                meant, not all.
            source: Who says it.
            seconds: How long it may take.

        Raises:
            Rejected: A value cannot be kept, whenever it is tried.
            MlpipesError: They were not kept, or nobody can tell whether they were; to record the
                same once more does no harm.
        """

    def close(self) -> None:
        """Give the connections back."""
