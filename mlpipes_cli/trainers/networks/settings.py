"""The params of a network, with defaults for those that are not given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from mlpipes_cli.suggest import did_you_mean
from mlpipes_cli.trainers.base import TrainingError

HELD_BACK = 0.1  # share of the training rows, if something has to be watched and no share is given


@dataclass(frozen=True)
class Settings:
    """The fit settings of a network; the same names for every framework.

    Attributes:
        epochs: The maximum number of passes over the training rows.
        batch_size: Rows in a step.
        optimizer: A name, or ``{name: {its arguments}}``.
        learning_rate: None for the optimizer's default.
        loss: A name; None for the task's default.
        validation_split: The share of training rows that is held back to watch the fit.
        patience: Epochs without a better loss after which the fit ends; None never stops early.
        min_delta: The minimum improvement that counts as a better loss.
        restore_best: Whether, with ``patience``, to restore the weights of the best epoch at the end.
        class_weight: ``balanced``, or a weight for each label.
        image: The given height, width and channels.
        own: The framework's own params.
    """

    epochs: int = 20
    batch_size: int = 32
    optimizer: Any = "adam"
    learning_rate: float | None = None
    loss: str | None = None
    validation_split: float | None = None
    patience: int | None = None
    min_delta: float = 0.0
    restore_best: bool = True
    class_weight: Any = None
    image: Mapping[str, int | None] = field(default_factory=dict)
    own: Mapping[str, Any] = field(default_factory=dict)

    @property
    def held_back(self) -> float:
        """The share of rows to validate on, 0 for none."""
        if self.validation_split is not None:
            return self.validation_split
        watched = self.patience is not None or self.own.get("reduce_on_plateau")
        return HELD_BACK if watched else 0.0


COMMON = frozenset(item.name for item in fields(Settings)) - {"own"}


def unfolded(params: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Convert ``module__hidden: 8``, the form of a search, to ``module: {hidden: 8}`` for these names."""
    found = {name: value for name, value in params.items() if name.partition("__")[0] not in names}
    found |= {name: params[name] for name in names if name in params}
    for name, value in params.items():
        outer, _, inner = name.partition("__")
        if outer in names and inner:
            found[outer] = {**(found.get(outer) or {}), inner: value}
    return found


def settings(params: Mapping[str, Any], own: tuple[str, ...]) -> Settings:
    """Return the settings from the params of a run.

    Args:
        params: The params of the run.
        own: Names that this framework accepts beside the common ones.

    Raises:
        TrainingError: The params have an unknown name.
    """
    params = unfolded(params, ("image", *own))
    known = [*sorted(COMMON), *own]
    for name in params:
        if name not in known:
            raise TrainingError(f"params: no {name!r}{did_you_mean(name, known)}")
    given = {name: value for name, value in params.items() if name in COMMON and value is not None}
    return Settings(**given, own={name: params[name] for name in own if params.get(name) is not None})
