"""Inputs and outputs of a compiled predictor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix: TypeAlias = NDArray[np.float64] | NDArray[np.float32] | NDArray[np.int64]


class CompiledColumn(Protocol):
    """A column of the signature: its name, and its type as in MLflow's signatures."""

    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...


class NotCompilable(Exception):
    """A part of the model is not supported, so the regular path must answer. The message names it."""


@dataclass(frozen=True)
class CompiledScores:
    """The answers to some rows.

    Attributes:
        predictions: One value per row, as ``estimator.predict(frame).tolist()`` returns it.
        scores: A float per row (of the positive class), or a list of floats per row (in the order of the
            classes), as :meth:`mlpipes_cli.scoring.score_reader.ScoreReader.read` returns it; None if the
            model has none.
    """

    predictions: list[Any]
    scores: list[Any] | None


Details = Mapping[str, Any]
Answer: TypeAlias = "Callable[[Matrix], CompiledScores]"  # from an estimator's features to its answers


class Compiled(Protocol):
    """Answers rows like the model's own pipeline, without frames."""

    def __call__(self, rows: Sequence[Sequence[Any]]) -> CompiledScores:
        """Return the answers to rows.

        Args:
            rows: (n, columns), in the order of the signature; numbers as int, float or None (a
                missing double or float), booleans as bool, text as str or None. For a model with
                columns of numbers only it may be an array.

        Raises:
            Exception: The model does not answer such rows (a missing value that it does not support, an
                integer that float64 cannot represent); the regular path reports the error.
        """
