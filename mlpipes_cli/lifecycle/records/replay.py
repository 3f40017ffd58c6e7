"""``mlpipes predictions replay``: what waits in local files goes into the database, without an API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlpipes_cli.ports import Reporter
    from mlpipes_cli.project import ProjectFolder


@dataclass(frozen=True)
class Replayed:
    """What was done, and what is left.

    Attributes:
        predictions: So many were put into the database now.
        held: So many are left to a running API, which replays them itself.
        set_aside: Files of which something cannot be replayed.
        folder: Where those files are.
    """

    predictions: int
    held: int
    set_aside: int
    folder: str

    @property
    def told(self) -> str:
        """For people."""
        lines = [f"{self.predictions} predictions replayed" if self.predictions else "nothing to replay"]
        if self.held:
            lines.append(f"{self.held} are held by a running API, which replays them itself")
        if self.set_aside:
            lines.append(f"{self.set_aside} files could not be replayed: see {self.folder}")
        return "\n".join(lines)


def replay(project: ProjectFolder, reporter: Reporter) -> Replayed:
    """Replay what servers left that are gone.

    Args:
        project: Whose spool.
        reporter: Shows that it goes on.

    Raises:
        MlpipesError: The stack is not running, or the database does not take the predictions; nothing
            is lost, and what is left waits.
    """
    from mlpipes_cli.adapters import wiring

    spool, done = project.state / "spool", 0
    if wiring.spooled(spool).rows:
        url = wiring.make_runtime(project).endpoints().database_url
        with reporter.task("replaying"):
            done = wiring.replay_spool(spool, url)
    left = wiring.spooled(spool)
    return Replayed(done, left.rows, left.set_aside, project.shown(spool / "set-aside"))
