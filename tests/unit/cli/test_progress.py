"""Tasks inside tasks on a terminal."""

from __future__ import annotations

import io
import re

from rich.console import Console
from waiting import until

from mlpipes_cli.cli import console
from mlpipes_cli.cli.views.plain_progress import PlainTasks
from mlpipes_cli.cli.views.progress import board, shown


def test_a_task_inside_another_has_a_line_of_its_own() -> None:
    screen = io.StringIO()
    progress = board(Console(file=screen, force_terminal=True, width=100, no_color=True))
    with progress, shown(progress, "starting [the] stack", None) as outer:
        outer.note("images [1]")
        with shown(progress, "  layer (MB)", 20.5) as inner:
            inner.advance(10.25)
            inner.advance(0.04)
            assert len(progress.tasks) == 2
            progress.refresh()
        assert len(progress.tasks) == 1
    text = screen.getvalue()
    assert "starting [the] stack" in text
    assert "images [1]" in text
    assert "10.3/20.5" in text


def test_nested_tasks_of_the_console(capsys: object) -> None:
    """Without a terminal, notes are lines that -v shows; nesting changes nothing."""
    mouth = console.Console(verbose=True)
    with mouth.task("outer") as outer, mouth.task("inner", 3) as inner:
        inner.advance()
        inner.note("one")
        outer.note("two")
    assert capsys.readouterr().err == "inner: one\nouter: two\n"  # type: ignore[attr-defined]


def test_without_a_terminal_the_innermost_task_says_again_and_again_how_far_it_is() -> None:
    said: list[str] = []
    tasks = PlainTasks()

    def times(start: str) -> int:
        return sum(re.fullmatch(rf"{re.escape(start)} \(\d+ s\)", line) is not None for line in said)

    with tasks.task("starting", said.append, said.append, 0.01) as outer:
        until(lambda: times("starting"))
        with (
            tasks.task("building", said.append, said.append, 0.01) as inner,
            tasks.task("layer", said.append, said.append, None),
        ):
            inner.note("step 2/9: Collecting numpy")
            until(lambda: times("building: step 2/9: Collecting numpy") >= 2)
            outer.note("waiting")
            told = len(said)
            until(lambda: len(said) > told + 3)
            assert times("starting: waiting") == 0
        until(lambda: times("starting: waiting"))
    told = len(said)
    with tasks.task("quiet", said.append, said.append, None):
        pass
    assert said[told:] == []
