"""Events that a method reports to a program while it works."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from mlpipes_cli.ports import CandidateState
    from mlpipes_cli.ports.automation.pipeline_runs import StepRun

Kind = Literal["info", "warning", "detail", "progress", "candidate", "step"]

_LOGGER = logging.getLogger("mlpipes")
_LEVELS: dict[Kind, int] = {"info": logging.INFO, "warning": logging.WARNING}


@dataclass(frozen=True)
class Event:
    """An event that a method reports while it works.

    Attributes:
        kind: ``info``, ``warning`` and ``detail`` are messages; ``progress`` is a step of a task;
            ``candidate`` is a candidate of a training and ``step`` a step of a pipeline whose state has
            changed.
        text: One line for a person.
        task: The name of the task, for ``progress``; the name of the candidate or step, for
            ``candidate`` and ``step``.
        done: How much of the task is done, in the task's own unit.
        total: The whole amount; None if it is unknown.
    """

    kind: Kind
    text: str
    task: str = ""
    done: float = 0.0
    total: float | None = None


def log(event: Event) -> None:
    """Write an event to the logger ``mlpipes``; kinds other than info and warning have level DEBUG."""
    _LOGGER.log(_LEVELS.get(event.kind, logging.DEBUG), "%s", event.text)


class Events:
    """Implements :class:`mlpipes_cli.ports.Reporter` and ``TrainingProgress`` by calling a function.

    Args:
        call: Called with each event, in the thread in which it happens. An exception of it ends the method.
    """

    def __init__(self, call: Callable[[Event], object]) -> None:
        self._call = call
        self._seen: dict[str, CandidateState] = {}
        self._steps: dict[str, StepRun] = {}

    def info(self, text: str) -> None:
        self._call(Event("info", text))

    def warn(self, text: str) -> None:
        self._call(Event("warning", text))

    def detail(self, text: str) -> None:
        self._call(Event("detail", text))

    @contextlib.contextmanager
    def task(self, title: str, total: float | None = None, *, every: float | None = None) -> Iterator[_Task]:
        yield _Task(self._call, title, total)

    def confirm(self, question: str) -> bool:
        """Return False: a program confirms with ``yes=True``."""
        return False

    def show(self, states: Sequence[CandidateState], metric: str) -> None:
        for state in states:
            before = self._seen.get(state.name)
            if state.state == "waiting" or state == before:
                continue
            self._seen[state.name] = state
            self._call(Event("candidate", _described(state, metric), task=state.name))

    def show_steps(self, steps: Sequence[StepRun]) -> None:
        for step in steps:
            before = self._steps.get(step.name)
            if step.status == "waiting" or step == before:
                continue
            self._steps[step.name] = step
            text = f"{step.status}{': ' + step.reason if step.reason else ''}"
            self._call(Event("step", text, task=step.name))


class _Task:
    """Implements :class:`mlpipes_cli.ports.Task`."""

    def __init__(self, call: Callable[[Event], object], title: str, total: float | None) -> None:
        self._call, self._title, self._total = call, title, total
        self._done = 0.0

    def advance(self, steps: float = 1.0) -> None:
        self._done += steps
        self._tell(self._title)

    def note(self, text: str) -> None:
        self._tell(f"{self._title}: {text}")

    def _tell(self, text: str) -> None:
        self._call(Event("progress", text, self._title, self._done, self._total))


def _described(state: CandidateState, metric: str) -> str:
    text = f"{state.name}: {state.state}"
    if state.stage:
        text += f" ({state.stage})"
    if state.value is not None:
        text += f", {metric} {state.value:.4f}"
    return f"{text}: {state.error}" if state.error else text
