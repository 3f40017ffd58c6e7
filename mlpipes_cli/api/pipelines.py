"""Methods that run pipelines and list their runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlpipes_cli.api.base import Base, File

if TYPE_CHECKING:
    from mlpipes_cli.lifecycle.pipelines.listing import RunDetail, RunEntry
    from mlpipes_cli.lifecycle.pipelines.result import PipelineResult


class PipelineMethods(Base):
    """Methods that run the steps of a ``pipeline.yaml``."""

    def run(
        self,
        file: File = "pipeline.yaml",
        *,
        start_from: str | None = None,
        only: Sequence[str] = (),
        resume: bool = False,
    ) -> PipelineResult:
        """Run a pipeline.

        How it ended is in the result; ``require()`` of it raises an exception if it is not done.

        Args:
            file: The pipeline's file.
            start_from: Run this step and all that wait for it.
            only: Run only these steps.
            resume: Continue the newest run: its unfinished steps.

        Raises:
            UsageError: The file is wrong, or has no such step.
            MlpipesError: The stack is not running, or another run of the pipeline is in progress.
        """
        from mlpipes_cli.lifecycle.pipelines.run import RunRequest, run
        from mlpipes_cli.lifecycle.pipelines.selection import Selection

        request = RunRequest(self._file(file), str(file), Selection(start_from, tuple(only)), resume)
        return run(self._settings, request, self._events, self._events)

    def runs(
        self, run: str | None = None, *, pipeline: str | None = None, limit: int = 20, lines: int = 20
    ) -> list[RunEntry] | RunDetail:
        """Return the newest runs of pipelines, newest first, or one run with its steps and logs.

        Args:
            run: The id of a run, or the beginning of it.
            pipeline: Only runs of this pipeline.
            limit: The most runs.
            lines: With ``run``: the most lines of each log.

        Raises:
            UsageError: There is no such run, or there are several.
        """
        from mlpipes_cli.lifecycle.pipelines import listing

        if run is None:
            return listing.runs(self._settings, self._events, pipeline=pipeline, limit=limit)
        return listing.run(self._settings, self._events, run, lines=lines)
