"""What ``data load`` says of the target of the rows that it has loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlpipes_cli.adapters import database_wiring
from mlpipes_cli.config.dataset.config import DatasetConfig
from mlpipes_cli.errors import MlpipesError

if TYPE_CHECKING:
    from mlpipes_cli.ports import Endpoints, Reporter
    from mlpipes_cli.ports.data_sets.dataset_profile import TargetSummary

_SHOWN = 10  # classes whose rows are listed
_ASK = "if it is only known afterwards, set `drop: true` for it under `columns`"


def tell(config: DatasetConfig, endpoints: Endpoints, reporter: Reporter) -> None:
    """Report the classes of the column that the split stratifies by, and what gives them away."""
    if config.split.stratify is None:
        return
    name = config.stored_name(config.split.stratify)
    try:
        found = database_wiring.make_prepared_data(endpoints).target(config.dataset, name)
    except MlpipesError as error:  # the rows are loaded; only this look at them is not possible
        reporter.warn(f"{config.dataset}: the loaded rows cannot be examined: {error.reason}")
        return
    if found is None:
        return
    reporter.info(f"{config.dataset}: {line(name, found)}")
    for warning in warnings(name, found):
        reporter.warn(f"{config.dataset}: {warning}")


def line(name: str, found: TargetSummary) -> str:
    """Return the task, the positive class, and the rows of each class."""
    said = f"target {name!r}, by which the split stratifies: {found.task}"
    if found.positive is not None:
        said += f", positive class {found.positive!r} (the last of the two in their order; `positive` in an"
        said += " experiment sets another)"
    if not found.classes:
        return said
    listed = [f"{label} {count}" for label, count in list(found.classes.items())[:_SHOWN]]
    more = f" and {len(found.classes) - _SHOWN} more" if len(found.classes) > _SHOWN else ""
    return f"{said}; rows of each class: {', '.join(listed)}{more}"


def warnings(name: str, found: TargetSummary) -> list[str]:
    """Return what is likely a mistake."""
    from mlpipes_cli.data.understanding import labels

    told = []
    if found.missing:
        told.append(
            f"{name!r} is missing in {found.missing} rows; an experiment needs a target in each row:"
            f' `clean: [{{where: "{name} is not null"}}]` leaves them out'
        )
    told += [
        f"the labels {' and '.join(map(repr, same))} of {name!r} differ only in case or space and count as"
        " different classes"
        for same in labels.alike(found.classes)
    ]
    if (ordered := labels.ordered(name, found.task, found.classes)) is not None:
        told.append(ordered)
    told += [
        f"{column!r} alone tells {name!r} in {found.sampled} rows ({how}); {_ASK}"
        for column, how in found.leaks.items()
    ]
    return told
