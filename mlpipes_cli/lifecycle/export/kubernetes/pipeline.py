"""The steps of pipeline.yaml as jobs of a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlpipes_cli.lifecycle.export.kubernetes.jobs import Task

if TYPE_CHECKING:
    from mlpipes_cli.project import ProjectFolder


def tasks(project: ProjectFolder) -> Sequence[Task]:
    """Return the pipeline, and each of its training steps."""
    return ()
