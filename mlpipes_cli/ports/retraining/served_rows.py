"""Served rows with their ground truth, as a retraining and the watch of a promotion read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import NamedTuple, Protocol

from mlpipes_cli.ports.prediction_records import Judged


class ServedRow(NamedTuple):
    """A prediction with its ground truth; JSON columns are JSON text.

    Attributes:
        inputs: The row as the model received it.
        truth: The ground truth.
        caller_id: The value of the caller's id column, or None.
    """

    inputs: str
    truth: str
    caller_id: str | None


class ServedRows(Protocol):
    """Reads answered predictions with ground truth; methods raise ``MlpipesError`` without a database."""

    def rows(
        self, model: str, *, most: int, size: int
    ) -> AbstractContextManager[Iterator[Sequence[ServedRow]]]:
        """Open the rows of all versions of a model, the earliest prediction first.

        Of several predictions for one caller id the one with the newest ground truth is read. Mirrored
        predictions are left out, since their answered ones are read.

        Args:
            model: The registered model's name.
            most: Of more rows, the newest are read.
            size: Rows in a batch.
        """

    def count(self, model: str, since: datetime) -> int:
        """Return how many caller ids (or predictions without one) have a ground truth that arrived since."""

    def judged(
        self,
        model: str,
        version: int,
        *,
        most: int,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Sequence[Judged]:
        """Return the answered predictions of a version with ground truth, in the order of its arrival.

        Args:
            model: The registered model's name.
            version: Its version.
            most: Of more, those whose ground truth arrived first are returned; with ``until`` those whose
                predictions were made last.
            since: Only predictions that were made from then on.
            until: Only predictions that were made before.
        """
