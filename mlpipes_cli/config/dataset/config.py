"""``dataset.yaml`` as a whole."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from mlpipes_cli.config.base import Strict
from mlpipes_cli.config.dataset.checks import Check, Columns
from mlpipes_cli.config.dataset.columns import ColumnConfig
from mlpipes_cli.config.dataset.split import DatasetSplit
from mlpipes_cli.config.dataset.steps import Step
from mlpipes_cli.config.experiment import Column, HeaderSetting, Word
from mlpipes_cli.config.problems import validate
from mlpipes_cli.config.source import Source
from mlpipes_cli.config.yaml_source import YamlSource, read_yaml


def _dataset_name(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,49}", name):
        raise ValueError(
            f"{name!r} is not a valid name of tables: use up to 50 of a-z, 0-9 and _, with a letter first"
        )
    return name


DatasetName = Annotated[str, AfterValidator(_dataset_name)]
Character = Annotated[str, StringConstraints(strip_whitespace=False, min_length=1, max_length=1)]


class Load(Strict):
    """How rows get into the raw table."""

    mode: Literal["replace", "append", "merge"] = Field(
        default="replace",
        description="`replace` all rows, `append` the new ones, or `merge`: rows of a known key are updated,"
        " others added.",
    )
    on_bad_rows: Literal["refuse", "set_aside"] = Field(
        default="refuse",
        description="What happens if a row cannot be read: `refuse` loads nothing; `set_aside` loads the"
        " other rows and keeps the bad ones in a table of their own.",
    )


class DatasetConfig(Strict):
    """``dataset.yaml``: a source, what its columns are expected to be, how rows are cleaned and split."""

    dataset: DatasetName = Field(
        description="The name of the data set, and of its tables in raw_data and clean_data."
    )
    source: Source = Field(
        description="A file, several files, a glob, a folder of Parquet files, an address (http, https, s3),"
        " `sklearn:NAME`, `openml:ID`, a table or query of a database, or a function."
    )
    load: Load = Field(default=Load(), description="How loading changes the rows that are there.")
    key: Columns | None = Field(
        default=None, description="The columns that identify a row; `merge` needs them."
    )
    separator: Character | None = Field(
        default=None, description="The separator between the fields of a CSV file."
    )
    header: HeaderSetting = None
    quote: Character | None = Field(
        default=None, description="The character that quotes fields of a CSV file."
    )
    encoding: str | None = Field(
        default=None, description="The encoding of text files, such as utf-8 or cp1252."
    )
    sheet: str | None = Field(
        default=None, description="The sheet of an Excel workbook; the first if left out."
    )
    decimal: Literal[".", ","] | None = Field(
        default=None, description="The decimal separator of numbers in text files."
    )
    thousands: Literal[",", ".", " ", "'"] | None = Field(
        default=None, description="The thousands separator of numbers in text files."
    )
    missing: tuple[Word, ...] = Field(
        default=(), description="Values that mean a missing value in every column."
    )
    columns: dict[Column, ColumnConfig] = Field(
        default={}, description="What is expected of the raw columns, by their names in the source."
    )
    other_columns: Literal["keep", "drop", "refuse"] = Field(
        default="keep", description="What happens to columns of the source that `columns` does not list."
    )
    checks: tuple[Check, ...] = Field(default=(), description="Checks of the whole raw table.")
    clean: tuple[Step, ...] = Field(default=(), description="Steps that clean the rows, in order.")
    split: DatasetSplit = Field(default=DatasetSplit(), description="How the clean rows are split.")
    weights: Column | None = Field(
        default=None, description="The column with the weight of each row, a number above 0; not a feature."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> DatasetConfig:
        if self.load.mode == "merge" and not self.key:
            raise ValueError("`load: {mode: merge}` needs `key`, the columns that identify a row")
        if self.decimal is not None and self.decimal == self.thousands:
            raise ValueError(f"`decimal` and `thousands` are both {self.decimal!r}")
        names = [self.stored_name(name) for name, column in self.columns.items() if not column.drop]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two columns get the name {twice[0]!r}; rename one of them")
        return self

    def stored_name(self, column: str) -> str:
        """Return the name in the raw table of a column of the source, or of one that has that name there."""
        found = self.columns.get(column)
        return column if found is None or found.rename is None else found.rename


def load_dataset(path: Path, name: str | None = None) -> tuple[DatasetConfig, YamlSource]:
    """Read and check a ``dataset.yaml``; the source gives lines to later checks.

    Raises:
        UsageError: It cannot be read.
        ConfigError: It has mistakes; all of them are named.
    """
    source = read_yaml(path, name)
    return validate(DatasetConfig, source), source
