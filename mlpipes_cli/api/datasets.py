"""Methods of data sets: ``project.data``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mlpipes_cli.api.base import Base, File
from mlpipes_cli.tabular import TableRows

if TYPE_CHECKING:
    from mlpipes_cli.lifecycle.datasets.check import Checked
    from mlpipes_cli.lifecycle.datasets.diff import Difference
    from mlpipes_cli.lifecycle.datasets.infer import Inferred
    from mlpipes_cli.lifecycle.datasets.load import Loaded
    from mlpipes_cli.lifecycle.datasets.prepare import PreparedVersion
    from mlpipes_cli.lifecycle.datasets.profile import Profile
    from mlpipes_cli.ports.data_sets.datasets import CheckRun


class DatasetMethods(Base):
    """The commands of ``mlpipes data`` for one project."""

    def infer(
        self,
        source: str,
        *,
        output: File | None = None,
        target: str | None = None,
        force: bool = False,
        header: bool | None = None,
    ) -> Inferred:
        """Describe a source as a first ``dataset.yaml``, from what its rows are like.

        Args:
            source: A file or a glob, relative to the project's folder; a query (``select ...``) of the
                project's database; ``module:function``; or what else ``source:`` takes, as YAML in ``{}``.
            output: Write the text to this file, relative to the project's folder.
            target: The column whose values have the same shares in all parts of the split.
            force: Whether to overwrite ``output``.
            header: Whether the first line of a CSV file has the names of columns; found out by default.

        Raises:
            UsageError: The source cannot be read, the target is not a column, or ``output`` exists.
            MlpipesError: A query, and the stack is not running.
        """
        from mlpipes_cli.lifecycle.datasets import infer

        path = None if output is None else self.root / Path(output)
        return infer.infer(
            source,
            self.root,
            self._events,
            output=path,
            target=target,
            force=force,
            header=header,
            project=lambda: self._settings,
        )

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

    def check(self, file: File = "dataset.yaml") -> Checked:
        """Check the loaded rows of a data set, and keep the results.

        Args:
            file: ``dataset.yaml``.

        Returns:
            What each check found; its method ``require`` raises :class:`Refused` if one failed.

        Raises:
            ConfigError: The file has mistakes, names unknown columns, or has wrong SQL.
            MlpipesError: Nothing is loaded, or the stack is not running.
        """
        from mlpipes_cli.lifecycle.datasets.check import check

        return check(self._settings, self._file(file), self._events)

    def check_history(self, file: File = "dataset.yaml", *, limit: int = 20) -> list[CheckRun]:
        """Return earlier results of the checks, the newest first.

        Args:
            file: ``dataset.yaml``.
            limit: The maximum number of results.

        Raises:
            MlpipesError: The stack is not running.
        """
        from mlpipes_cli.lifecycle.datasets.check import history

        return history(self._settings, self._file(file), limit)

    def prepare(self, file: File = "dataset.yaml") -> PreparedVersion:
        """Check, clean and split the loaded rows of a data set into a new version.

        Args:
            file: ``dataset.yaml``.

        Raises:
            ConfigError: The file has mistakes, names unknown columns, or has wrong SQL.
            Refused: A check failed; the version before stays.
            MlpipesError: A step failed, nothing is loaded, or the stack is not running.
        """
        from mlpipes_cli.lifecycle.datasets.prepare import prepare

        return prepare(self._settings, self._file(file), self._events)

    def profile(
        self,
        file: File = "dataset.yaml",
        *,
        output: File = "profile.html",
        target: str | None = None,
        force: bool = False,
    ) -> Profile:
        """Describe the loaded rows of a data set, and write the description as one HTML page.

        Args:
            file: ``dataset.yaml``.
            output: The page, relative to the project's folder; an earlier page is replaced.
            target: The column that the others are compared with; the one that the split stratifies by if
                None.
            force: Whether to replace a file that is not such a page.

        Returns:
            The figures; its method ``frame`` returns a row for each column.

        Raises:
            UsageError: The target is not a column, or ``output`` is another file.
            ConfigError: The file has mistakes.
            MlpipesError: Nothing is loaded, or the stack is not running.
        """
        from mlpipes_cli.lifecycle.datasets.profile import profile

        path = self.root / Path(output)
        return profile(
            self._settings, self._file(file), self._events, output=path, target=target, force=force
        )

    def versions(self, name: str | None = None, *, prune: int | None = None, yes: bool = False) -> TableRows:
        """Return the versions of a data set or of all, the newest of each first.

        Args:
            name: The data set; all if None.
            prune: Remove the rows of all but this many versions first.
            yes: Confirm; required with ``prune``.

        Raises:
            UsageError: The data set has no versions, or ``yes`` or ``name`` is missing.
            MlpipesError: The stack is not running.
        """
        from mlpipes_cli.errors import UsageError
        from mlpipes_cli.lifecycle.datasets import versions as verb

        if prune is None:
            return TableRows(verb.versions(self._settings, name), verb.VersionRow)
        if name is None:
            raise UsageError("`prune` needs the name of a data set")
        return TableRows(verb.prune(self._settings, self._events, name, prune, yes=yes), verb.VersionRow)

    def diff(self, name: str, old: int, new: int) -> Difference:
        """Return which rows differ between two versions, and how each column moved.

        Args:
            name: The data set.
            old: The first version.
            new: The second.

        Raises:
            UsageError: There is no such version.
            MlpipesError: A version was pruned, or the stack is not running.
        """
        from mlpipes_cli.lifecycle.datasets.diff import diff

        return diff(self._settings, self._events, name, old, new)
