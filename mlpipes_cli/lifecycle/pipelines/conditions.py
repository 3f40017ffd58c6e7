"""Whether ``when:`` holds, by how earlier steps ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mlpipes_cli.config.pipeline.conditions import Condition
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports.automation.pipeline_runs import StepRun

_WORDS = {
    "equals": "is not", "differs": "is", "above": "is not above", "below": "is not below",
    "at_least": "is less than", "at_most": "is more than",
}  # fmt: skip


def ending(status: str) -> str:
    """Return a status as the end of a sentence on a step."""
    return status if status == "failed" else f"was {status}"


def unmet(conditions: Iterable[Condition], steps: Mapping[str, StepRun]) -> str | None:
    """Return why the conditions do not hold, or None if all do.

    Args:
        conditions: The conditions.
        steps: The steps that they name; each has ended.

    Raises:
        MlpipesError: The result of a step does not have the value, or it cannot be compared.
    """
    for condition in conditions:
        if (reason := _unmet(condition, steps[condition.step])) is not None:
            return reason
    return None


def _unmet(condition: Condition, step: StepRun) -> str | None:
    if step.status not in ("done", "failed", "refused"):
        return f"step {step.name} {ending(step.status)}"
    if condition.exit is not None:
        wanted = " or ".join(map(str, condition.exit))
        return (
            None if step.exit in condition.exit else f"step {step.name} ended with {step.exit}, not {wanted}"
        )
    if condition.status is not None:
        return (
            None
            if step.status == condition.status
            else f"step {step.name} is {step.status}, not {condition.status}"
        )
    if step.result is None and step.status != "done":
        return f"step {step.name} {ending(step.status)}, without a result"
    value = _value(condition, step)
    for name, bound in condition.comparisons.items():
        if not _holds(name, value, bound, condition):
            return f"{condition.value} of step {step.name} {_WORDS[name]} {bound!r}: {value!r}"
    return None


def _value(condition: Condition, step: StepRun) -> Any:
    value, path = step.result, str(condition.value)
    for key in path.split("."):
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            known = f"; there are {', '.join(map(str, value))}" if isinstance(value, dict) and value else ""
            raise MlpipesError(f"the result of step {step.name} has no {path!r}{known}")
    return value


def _holds(name: str, value: Any, bound: Any, condition: Condition) -> bool:
    if name in ("equals", "differs"):
        same = _same(value, bound)
        return same if name == "equals" else not same
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise MlpipesError(
            f"{condition.value} of step {condition.step} is {value!r}, which is not a number to compare"
        )
    if name == "above":
        return bool(value > bound)
    if name == "below":
        return bool(value < bound)
    return bool(value >= bound) if name == "at_least" else bool(value <= bound)


def _same(value: Any, bound: Any) -> bool:
    """Compare as JSON does: ``true`` is not 1, and ``"1"`` is not 1."""
    if isinstance(value, bool) or isinstance(bound, bool):
        return value is bound
    return bool(value == bound)
