"""Writes the page of a check: for two files alone, for a project with earlier checks and promotions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli import output_files
from mlpipes_cli.html_page.document import mark
from mlpipes_cli.json_values import jsonable

if TYPE_CHECKING:
    from mlpipes_cli.lifecycle.monitoring.result import Monitored
    from mlpipes_cli.project import ProjectFolder

EARLIER = 365  # checks that the page shows over time


def check(output: Path, *, force: bool = False) -> None:
    """Refuse a file that the page must not replace, before the check is made.

    Raises:
        UsageError: It is another file, or its folder does not exist.
    """
    from mlpipes_cli.monitoring.report.page import COMMAND

    output_files.check(output, mark(COMMAND), f"a page of `{COMMAND}`", force=force)


def write(output: Path, made: Monitored, project: ProjectFolder | None = None) -> Monitored:
    """Write the page of a check, and return the check with the page's path.

    Args:
        output: The file.
        made: The check.
        project: Where earlier checks and promotions come from; None for two files.

    Raises:
        MlpipesError: The file cannot be written, or the stack is not running.
    """
    from mlpipes_cli.monitoring.report.page import page

    named = replace(made, report=str(output))
    earlier: Sequence[Mapping[str, Any]] = ()
    promotions: Sequence[Mapping[str, Any]] = ()
    if project is not None and made.model is not None:
        earlier, promotions = _earlier(project, made), _promotions(project, made.model)
    output_files.write(output, page(jsonable(named), earlier=earlier, promotions=promotions))
    return named


def _earlier(project: ProjectFolder, made: Monitored) -> list[Mapping[str, Any]]:
    from mlpipes_cli.adapters import wiring

    store, _ = wiring.make_monitoring(wiring.make_runtime(project).endpoints().database_url)
    return [found.result for found in store.checks(made.model, None, EARLIER) if str(found.id) != made.id]


def _promotions(project: ProjectFolder, model: str) -> list[Mapping[str, Any]]:
    from mlpipes_cli.lifecycle.promotion import listing

    return [
        {"at": event.when, "version": event.to_version, "alias": event.alias}
        for event in listing.history(project, model=model)
        if event.state == "done"
    ]
