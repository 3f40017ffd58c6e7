"""The order of steps: what each one waits for, and which names are wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from mlpipes_cli.config.pipeline.steps import Step
from mlpipes_cli.config.yaml_source import Location
from mlpipes_cli.suggest import did_you_mean


def in_order(steps: Sequence[Step]) -> list[Step]:
    """Return the steps so that each one follows all that it waits for; else in the order of the file.

    Raises:
        ValueError: They wait for each other.
    """
    left, found, ended = list(steps), list[Step](), set[str]()
    while left:
        ready = next((step for step in left if ended.issuperset(step.waits_for)), None)
        if ready is None:
            raise ValueError(f"the steps wait for each other: {_cycle(left)}")
        left.remove(ready)
        found.append(ready)
        ended.add(ready.name)
    return found


def dependants(steps: Sequence[Step], names: Iterable[str]) -> set[str]:
    """Return these steps and all that wait for them, directly or through others."""
    found = set(names)
    for step in in_order(steps):
        if found.intersection(step.waits_for):
            found.add(step.name)
    return found


def problems(steps: Sequence[Step]) -> Iterator[tuple[Location, str]]:
    """Yield what is wrong with the names of steps: the location below ``steps``, and the message."""
    first: dict[str, int] = {}
    for position, step in enumerate(steps):
        if step.name in first:
            yield (position, "name"), f"duplicate name {step.name!r}; each step needs its own"
        first.setdefault(step.name, position)
    for position, step in enumerate(steps):
        for nth, name in enumerate(step.needs):
            if problem := _unknown(step, name, first):
                yield (position, "needs", nth), problem
        for nth, condition in enumerate(step.conditions):
            if problem := _unknown(step, condition.step, first):
                yield (position, "when", nth, "step"), problem


def _unknown(step: Step, name: str, known: Mapping[str, int]) -> str | None:
    if name == step.name:
        return f"step {name!r} waits for itself"
    if name not in known:
        hint = did_you_mean(name, list(known)) or f"; there are {', '.join(known)}"
        return f"there is no step {name!r}{hint}"
    return None


def _cycle(left: Sequence[Step]) -> str:
    """Return one cycle among steps of which each waits for another one of them."""
    waiting = {step.name: step for step in left}
    path = [left[0].name]
    while path[-1] not in path[:-1]:
        path.append(next(name for name in waiting[path[-1]].waits_for if name in waiting))
    return " -> ".join(path[path.index(path[-1]) :])
