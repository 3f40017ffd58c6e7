"""The command of a step: what ``mlpipes run`` starts and what every export writes."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlpipes_cli.config.pipeline.steps import Step

INSTALLED = ("mlpipes",)  # the program on a machine where only the command is known
SHELL = ("/bin/sh", "-c")


def this_program() -> tuple[str, ...]:
    """Return the program by which this process runs: its interpreter and the package."""
    return (sys.executable, "-m", "mlpipes_cli")


def argv(
    step: Step, *, program: Sequence[str] = INSTALLED, project: str | Path | None = None
) -> tuple[str, ...]:
    """Return the command of a step, word by word.

    Commands of mlpipes print one JSON document to standard output, the step's result, and all else to
    standard error. A ``run`` step is a command of the shell, whose whole standard output may be JSON. Both
    run in the project's folder.

    Args:
        step: The step.
        program: The words that start mlpipes.
        project: The project's folder for ``-C``; None leaves it out.
    """
    if step.run is not None:
        return (*SHELL, step.run)
    folder = () if project is None else ("-C", str(project))
    return (*program, *folder, "--json", *arguments(step))


def shell_line(step: Step, *, program: Sequence[str] = INSTALLED, project: str | Path | None = None) -> str:
    """Return the command of a step as a line of the shell; arguments as in :func:`argv`."""
    if step.run is not None:
        return step.run
    return shlex.join(argv(step, program=program, project=project))


def arguments(step: Step) -> tuple[str, ...]:
    """Return the words after ``mlpipes`` of a step that is one of our commands.

    Raises:
        ValueError: The step is a command of the shell.
    """
    return tuple(_words(step))


def _words(step: Step) -> Iterator[str]:
    if step.data is not None:
        yield from ("data", step.data, _path(step.input_file or ""))
        yield from _options(output=step.output)
    elif step.train is not None:
        yield from ("train", _path(step.train.file))
        for name in step.train.only:
            yield from _options(only=name)
        yield from _options(parallel=step.train.parallel)
    elif step.promote is not None:
        yield "promote"
        yield from _options(**step.promote.model_dump())
    elif step.monitor is not None:
        yield "monitor"
        yield from _options(**step.monitor.model_dump())
    elif step.retrain is not None:
        yield "retrain"
        yield from _options(**step.retrain.model_dump(by_alias=True))
    elif step.build is not None:
        yield "build"
        yield from _options(**step.build.model_dump())
    elif step.report is not None:
        yield "report"
        options = step.report.model_dump()
        if run := options.pop("run"):
            yield _path(run)
        yield from _options(**options)
    else:
        raise ValueError(f"step {step.name!r} is a command of the shell")


def _path(path: str) -> str:
    """Return a file so that it is never taken for an option."""
    return f"./{path}" if path.startswith("-") else path


def _options(**given: object) -> Iterator[str]:
    for name, value in given.items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, tuple):
            for one in value:
                yield from _options(**{name: one})
        elif value is True:
            yield flag
        elif value is not None and value is not False:
            text = str(value)
            yield from (f"{flag}={text}",) if text.startswith("-") else (flag, text)
