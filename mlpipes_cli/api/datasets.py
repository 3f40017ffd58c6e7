"""Methods of data sets: ``project.data``."""

from __future__ import annotations

from mlpipes_cli.api.base import Base


class DatasetMethods(Base):
    """The commands of ``mlpipes data`` for one project."""
