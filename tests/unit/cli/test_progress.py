"""Tasks inside tasks on a terminal."""

from __future__ import annotations

import io

from rich.console import Console

from mlpipes_cli.cli import console
from mlpipes_cli.cli.progress import board, shown


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
