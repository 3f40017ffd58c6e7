"""What ``mlpipes watch`` does after its checks: a list of hooks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from mlpipes_cli.errors import one_line

if TYPE_CHECKING:
    from mlpipes_cli.lifecycle.monitoring.result import Monitored
    from mlpipes_cli.ports import Reporter
    from mlpipes_cli.project import ProjectFolder

Hook = Callable[["ProjectFolder", "Reporter", "Monitored | None"], None]
"""Called with the project, the reporter and the check.

The watcher holds its seat, the check and its alerts are stored, and the alerts that are due were sent. A hook
is called in each look, about once a minute; the check is None where none was due. A process that is killed
between storing a check and the hook does not repeat the check, so a hook that must not miss one reads the
newest stored checks and records what it did about them. An error becomes a warning; the next look
calls the hook again.
"""


def _retrain(project: ProjectFolder, reporter: Reporter, check: Monitored | None) -> None:
    from mlpipes_cli.lifecycle.retraining import after_check

    after_check.hook(project, reporter, check)


HOOKS: Sequence[Hook] = (_retrain,)
"""The hooks, in the order in which they are called."""


def run(
    project: ProjectFolder, reporter: Reporter, check: Monitored | None, hooks: Sequence[Hook] | None = None
) -> None:
    """Call every hook; one that fails is a warning and does not stop the others.

    Args:
        project: The project.
        reporter: Shows progress and warnings.
        check: The check that this look made, or None.
        hooks: The hooks; None takes :data:`HOOKS`.
    """
    for hook in HOOKS if hooks is None else hooks:
        try:
            hook(project, reporter, check)
        except Exception as error:  # noqa: BLE001  an unexpected one must not end the watcher
            reporter.warn(one_line(error))
