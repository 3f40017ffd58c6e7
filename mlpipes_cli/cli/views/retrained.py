"""What ``mlpipes retrain`` shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlpipes_cli.lifecycle.retraining.result import Retrained


def retrained(found: Retrained) -> str:
    """Return the result in a few lines."""
    refused = found.outcome in {"refused", "would refuse"}  # then the error has the reason
    lines = [] if refused else [found.why]
    if found.outcome != "nothing":
        check = f", check {found.check}" if found.check else ""
        lines.append(f"model {found.model!r}, alias {found.alias}, cause {found.cause or '-'}{check}")
    return "\n".join([*lines, *_rows(found)])


def _rows(found: Retrained) -> Iterator[str]:
    rows = found.rows
    if rows is None:
        return
    judged = {"served": "not used", "source": "judge", "both": "judge"}[rows.judged_on]
    tune = f", {rows.source_validation} tune" if rows.source_validation else ""
    yield f"source: {rows.source_train} rows train{tune}, {rows.source_holdout} {judged}"
    tune = f", {rows.served_validation} tune" if rows.served_validation else ""
    yield f"served: {rows.served_train} rows train{tune}, {rows.served_holdout} judge"
    left = {
        "in the data already": rows.repeated,
        "held out in the source": rows.kept_out,
        "ground truth unknown to the target": rows.unusable,
    }
    if any(left.values()):
        yield f"served, left out: {', '.join(f'{number} {why}' for why, number in left.items() if number)}"
    if rows.replaced:
        yield f"{rows.replaced} rows of the source are replaced by served rows with the same id"
