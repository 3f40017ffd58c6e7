"""``mlpipes predictions replay``: stores pending predictions of local files in the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlpipes_cli.ports import Reporter
    from mlpipes_cli.project import ProjectFolder


@dataclass(frozen=True)
class Replayed:
    """The result of ``replay``.

    Attributes:
        predictions: Predictions that were stored in the database.
        held: Predictions that a running API holds and will replay itself.
        set_aside: Files with parts that cannot be replayed.
        folder: The folder of those files.
    """

    predictions: int
    held: int
    set_aside: int
    folder: str

    @property
    def summary(self) -> str:
        """The result as a message."""
        lines = [f"{self.predictions} predictions replayed" if self.predictions else "nothing to replay"]
        if self.held:
            lines.append(f"{self.held} are held by a running API, which replays them itself")
        if self.set_aside:
            lines.append(f"{self.set_aside} files could not be replayed: see {self.folder}")
        return "\n".join(lines)


def replay(project: ProjectFolder, reporter: Reporter) -> Replayed:
    """Replay the predictions of servers that have ended.

    Args:
        project: The project whose spool is replayed.
        reporter: Shows progress.

    Raises:
        MlpipesError: The stack is not running, or the database does not accept the predictions; nothing
            is lost, and what is left waits.
    """
    from mlpipes_cli.adapters import database_wiring, wiring

    spool, done = project.state / "spool", 0
    if database_wiring.spooled(spool).rows:
        url = wiring.make_runtime(project).endpoints().database_url
        with reporter.task("replaying"):
            done = database_wiring.replay_spool(spool, url)
    left = database_wiring.spooled(spool)
    return Replayed(done, left.rows, left.set_aside, project.shown(spool / "set-aside"))
