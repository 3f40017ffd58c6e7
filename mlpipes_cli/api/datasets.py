"""Methods of data sets: ``project.data``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mlpipes_cli.api.base import Base, File

if TYPE_CHECKING:
    from mlpipes_cli.lifecycle.datasets.infer import Inferred
    from mlpipes_cli.lifecycle.datasets.load import Loaded


class DatasetMethods(Base):
    """The commands of ``mlpipes data`` for one project."""

    def infer(
        self, source: str, *, output: File | None = None, target: str | None = None, force: bool = False
    ) -> Inferred:
        """Describe a source as a first ``dataset.yaml``, from what its rows are like.

        Args:
            source: As ``source:`` takes it: a file, a glob; relative to the project's folder.
            output: Write the text to this file, relative to the project's folder.
            target: The column whose values have the same shares in all parts of the split.
            force: Whether to overwrite ``output``.

        Raises:
            UsageError: The source cannot be read, the target is not a column, or ``output`` exists.
        """
        from mlpipes_cli.lifecycle.datasets import infer

        place = None if output is None else self.root / Path(output)
        return infer.infer(source, self.root, self._events, output=place, target=target, force=force)

    def load(self, file: File = "dataset.yaml") -> Loaded:
        """Load a data set's source into the table raw_data.NAME, all rows or none.

        Args:
            file: The file that describes the data set.

        Raises:
            ConfigError: The file has mistakes, or the source does not fit it.
            MlpipesError: The stack is down, or the database refuses; nothing was changed.
        """
        from mlpipes_cli.lifecycle.datasets import load

        return load.load(self._settings, self._file(file), self._events)
