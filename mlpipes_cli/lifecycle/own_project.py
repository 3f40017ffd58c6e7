"""``init --data``: makes a project from a user's own table, completely or not at all."""

from __future__ import annotations

import glob
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlpipes_cli.errors import UsageError
from mlpipes_cli.lifecycle import own_target, scaffold
from mlpipes_cli.lifecycle.datasets import first_file, infer, names
from mlpipes_cli.lifecycle.datasets.infer import Seen
from mlpipes_cli.lifecycle.own_target import Option, OwnTarget
from mlpipes_cli.lifecycle.scaffold import NewProject
from mlpipes_cli.lifecycle.secrets import ensure_secrets
from mlpipes_cli.suggest import did_you_mean

if TYPE_CHECKING:
    from mlpipes_cli.ports import Reporter

MOST_COPIED = 100_000_000  # bytes of a file; a larger one stays where it is
_WIDTH = 29  # characters of a line before its comment
ROWS = "data/new_rows.csv"
_DIFFERENCES = "(holdout.prediction - holdout.target).describe()"


@dataclass(frozen=True)
class _Source:
    """Where the rows come from.

    Attributes:
        read: As it is given, from the current folder.
        kept: As ``dataset.yaml`` names it.
        copied: The file that is copied into the project, if it is.
    """

    read: str
    kept: str
    copied: Path | None = None


def make_own_project(
    directory: Path, data: str, target: str, id_: str | None, base: Path, reporter: Reporter
) -> NewProject:
    """Make a project from a table: its rows are read, nothing is written unless all can be.

    Args:
        directory: As for :func:`scaffold.make_project`.
        data: What ``source:`` of a ``dataset.yaml`` takes. A file of at most 100 MB is copied into the
            project; all else stays where it is.
        target: The column to predict, by its name in the source.
        id_: The column that identifies a row, by its name in the source; None: the one that looks like it.
        base: The folder at which relative paths start.
        reporter: Gets progress, what was understood, and warnings.

    Raises:
        UsageError: The source cannot be read, there is no such column, the target cannot be one, or the
            folder is in use.
        MlpipesError: The folder cannot be written.
    """
    directory = scaffold.place(directory)
    source = _located(data, base, directory)
    with infer.looked_at(source.read, base, reporter, target, Option("--data", {}, {})) as seen:
        made = _own(scaffold.project_name(directory), source, seen, target, id_, reporter)
        seen.tell(reporter)
        files = scaffold.written(directory, made.fill)
    steps = (
        "mlpipes up",
        "mlpipes data load",
        "mlpipes data prepare",
        "mlpipes train experiment.yaml",
        f"mlpipes promote --metric {made.about.metric}",
        "mlpipes serve --detach",
        f"mlpipes predict {made.rows_file}",
    )
    return NewProject(
        made.project,
        directory,
        None,
        scaffold.described(files, made.files),
        scaffold.following(directory, steps),
        seen.dataset,
        made.stored[target],
        made.about.task,
    )


@dataclass(frozen=True)
class _Own:
    """What a project of a user's own table is made of.

    Attributes:
        project: Its name.
        source: Where the rows come from.
        seen: What they are like.
        target: The column to predict; as all columns here, by its name in the source.
        about: What it is.
        key: The column that identifies a row, if there is one.
        unique: Whether each of its values is in one row only.
        stored: The names of the columns in the tables.
    """

    project: str
    source: _Source
    seen: Seen
    target: str
    about: OwnTarget
    key: str | None
    unique: bool
    stored: Mapping[str, str]

    @property
    def rows_file(self) -> str:
        """The file of rows to score."""
        return ROWS if self.source.kept != ROWS else "data/rows_to_score.csv"

    @property
    def files(self) -> dict[str, str]:
        """The project's own files, and a description of each."""
        copied = {} if self.source.copied is None else {self.source.kept: "a copy of your data"}
        return {
            "dataset.yaml": "the source, what its columns are expected to be, the split",
            "experiment.yaml": "the data set, the target and the candidates",
            **copied,
            self.rows_file: "the first rows without the target, to score",
        }

    def fill(self, folder: Path) -> None:
        """Make the project's files."""
        name = self.seen.dataset
        gates = (*(f"# {line}" for line in self.about.because), *self.about.gates)
        values = scaffold.settings(self.project, name, self.about.metric, gates)
        if self.about.task == "regression":
            values["compare"] = _DIFFERENCES
        values |= {
            "dataset": name,
            "origin": "the source in `dataset.yaml`"
            if self.source.copied is None
            else f"`{self.source.kept}`",
            "target": self.stored[self.target],
            "rows": self.rows_file,
            "predict": f"mlpipes predict {self.rows_file}".ljust(39),
            "experiment": f"experiment: {name}".ljust(_WIDTH),
            "source": f"source: dataset:{name}".ljust(_WIDTH - 2),
            "decides": f"metric: {self.about.metric}".ljust(_WIDTH),
            "files": "\n".join(
                f"| `{file}` | {text} |" for file, text in self.files.items() if file != "experiment.yaml"
            ),
            "roles": self._roles(),
            "column": first_file.flow([self.stored[self.target]])[1:-1],
        }
        kind = "regression" if self.about.task == "regression" else "classes"
        scaffold.copy_templates((scaffold.COMMON, "_own", f"_own-{kind}"), folder, values)
        (folder / "data").mkdir(exist_ok=True)
        if self.source.copied is not None:
            shutil.copyfile(self.source.copied, folder / self.source.kept)
        self._write_rows(folder / self.rows_file)
        self._tell_of_rows(folder / "explore.ipynb")
        text = first_file.written(
            name,
            self.source.kept,
            self.seen.inputs,
            self.seen.reading,
            stratify=self.target if self.about.stratify else None,
            key=self.key if self.unique else None,
            present=self.target if self.about.gaps else None,
        )
        (folder / "dataset.yaml").write_text(text, encoding="utf-8")
        ensure_secrets(folder)

    def _roles(self) -> str:
        lines = ""
        if self.about.task == "binary":
            why = f"the label whose score counts: {self.about.positive_because}"
            lines += _commented(f"\n  positive: {first_file.flow([self.about.positive])[1:-1]}", why)
        if self.key is not None:
            lines += _commented(
                f"\n  id: {self.stored[self.key]}", "not a feature; returned with predictions"
            )
        return lines

    def _write_rows(self, path: Path) -> None:
        import pyarrow as pa
        from pyarrow import csv

        left_out = {self.target, *first_file.dropped(self.seen.reading)}
        columns = {
            self.stored[plan.source]: values
            for plan, values in zip(self.seen.reading.plan.columns, self.seen.first, strict=True)
            if plan.source not in left_out
        }
        csv.write_csv(pa.table(columns), path)

    def _tell_of_rows(self, path: Path) -> None:
        """Add the data set to the notebook."""
        column = self.stored[self.target]
        shown = f"rows.groupby({column!r}).mean(numeric_only=True)"
        if self.about.task == "regression":
            shown = f"rows.corr(numeric_only=True)[{column!r}].sort_values()"
        code = (
            'database = os.environ["MLPIPES_DATABASE_URL"].replace("://", "+psycopg2://", 1)\n'
            f'rows = pd.read_sql_table("{self.seen.dataset}", database, schema="clean_data")\n'
            f'display(rows.groupby("_split").size())\ndisplay({shown})'
        )
        text = (
            f"## The rows of `{self.seen.dataset}`\n\nThe newest version that `mlpipes data prepare` made,"
            " with the part of each row."
        )
        book = json.loads(path.read_text(encoding="utf-8"))
        after = [cell["id"] for cell in book["cells"]].index("connect") + 1
        book["cells"][after:after] = [
            {"cell_type": "markdown", "id": "rows-about", "metadata": {}, "source": _lines(text)},
            {
                "cell_type": "code",
                "id": "rows",
                "metadata": {},
                "execution_count": None,
                "outputs": [],
                "source": _lines(code),
            },
        ]
        path.write_text(json.dumps(book, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _commented(line: str, comment: str) -> str:
    return f"{line:<{_WIDTH + line.count(chr(10))}} # {comment}"


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def _own(project: str, source: _Source, seen: Seen, target: str, id_: str | None, reporter: Reporter) -> _Own:
    """Decide what the columns are.

    Raises:
        UsageError: A column cannot be what it is said to be.
    """
    about = own_target.understand(target, seen.values)
    known = [plan.source for plan in seen.reading.plan.columns]
    dropped = first_file.dropped(seen.reading)
    if target in dropped:
        raise UsageError(f"--target: {target!r} only numbers the rows", "choose the column to predict")
    if id_ is not None:
        _check_id(id_, target, known, dropped)
    key = first_file.key_of(seen.reading, target) if id_ is None else id_
    unique = key is not None and seen.reading.facts[key].unique
    if not set(known) - {target, key, *dropped}:
        raise UsageError(f"--target: there is no other column to predict {target!r} from", "see --data")
    if not unique and key is not None:
        reporter.warn(
            f"--id: {key!r} is not known to be different in every row; it is the `id`, but no `key`"
        )
    return _Own(project, source, seen, target, about, key, unique, names.columns(known))


def _check_id(id_: str, target: str, known: list[str], dropped: set[str]) -> None:
    if id_ not in known:
        raise UsageError(f"no column {id_!r}{did_you_mean(id_, known)}", "see --id")
    if id_ == target:
        raise UsageError(f"--id and --target are both {id_!r}", "choose another --id")
    if id_ in dropped:
        raise UsageError(f"--id: {id_!r} only numbers the rows, or is empty", "choose another --id")


def _located(data: str, base: Path, directory: Path) -> _Source:
    """Decide whether a source is copied into the project, and how it is named there.

    Raises:
        UsageError: There is no such file.
    """
    data = str(Path(data).expanduser()) if data.startswith("~") else data
    path = Path(os.path.normpath(base.absolute() / data))
    if not path.exists():
        if ":" in data:
            return _Source(data, data)
        if glob.has_magic(data):
            return _Source(data, _named(path, directory))
        near = [one.name for one in path.parent.iterdir()] if path.parent.is_dir() else []
        raise UsageError(
            f"--data: {data}: no such file{did_you_mean(path.name, near)}", "give a table's file"
        )
    inside = path.is_relative_to(directory)
    if inside or not path.is_file() or path.stat().st_size > MOST_COPIED:
        return _Source(data, _named(path, directory))
    return _Source(data, f"data/{path.name}", path)


def _named(path: Path, directory: Path) -> str:
    """Return a path for ``source:``: from the project's folder if it is inside, else an absolute one."""
    return path.relative_to(directory).as_posix() if path.is_relative_to(directory) else str(path)
