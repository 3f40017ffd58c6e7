"""The files of a project that is made from a user's own table."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlpipes_cli.config.yaml_source import dump_flow
from mlpipes_cli.lifecycle import scaffold
from mlpipes_cli.lifecycle.datasets import first_file
from mlpipes_cli.lifecycle.datasets.infer import Seen
from mlpipes_cli.lifecycle.own_project.notebook import add_rows
from mlpipes_cli.lifecycle.own_project.source import OwnSource
from mlpipes_cli.lifecycle.own_project.target import OwnTarget
from mlpipes_cli.lifecycle.secrets import ensure_secrets

_WIDTH = 29  # characters of a line before its comment
ROWS = "data/new_rows.csv"
_DIFFERENCES = "(holdout.prediction - holdout.target).describe()"


@dataclass(frozen=True)
class OwnProject:
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
    source: OwnSource
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
        model = name if dump_flow([name])[1:-1] == name else f"{name}_model"  # a file may be called no.csv
        values = scaffold.settings(self.project, model, self.about.metric, gates)
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
            "experiment": f"experiment: {model}".ljust(_WIDTH),
            "source": f"source: dataset:{name}".ljust(_WIDTH - 2),
            "decides": f"metric: {self.about.metric}".ljust(_WIDTH),
            "files": "\n".join(
                f"| `{file}` | {text} |" for file, text in self.files.items() if file != "experiment.yaml"
            ),
            "roles": self._roles(),
            "column": dump_flow([self.stored[self.target]])[1:-1],
        }
        kind = "regression" if self.about.task == "regression" else "classes"
        scaffold.copy_templates((scaffold.COMMON, "_own", f"_own-{kind}"), folder, values)
        (folder / "data").mkdir(exist_ok=True)
        if self.source.copied is not None:
            shutil.copyfile(self.source.copied, folder / self.source.kept)
        self._write_rows(folder / self.rows_file)
        add_rows(folder / "explore.ipynb", name, self.stored[self.target], self.about.task)
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
            lines += _commented(f"\n  positive: {dump_flow([self.about.positive])[1:-1]}", why)
        if self.key is not None:
            lines += _commented(
                f"\n  id: {dump_flow([self.stored[self.key]])[1:-1]}",
                "not a feature; returned with predictions",
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


def _commented(line: str, comment: str) -> str:
    return f"{line:<{_WIDTH + line.count(chr(10))}} # {comment}"
