"""``mlpipes data load``: from a source to the raw table, all rows or none."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli.adapters import database_wiring, wiring
from mlpipes_cli.config.dataset.config import DatasetConfig, load_dataset
from mlpipes_cli.config.yaml_source import YamlSource
from mlpipes_cli.errors import ConfigError
from mlpipes_cli.lifecycle.datasets import columns, opening, target_lines
from mlpipes_cli.lifecycle.promotion import actor
from mlpipes_cli.ports.data_sets.datasets import (
    BadRow,
    Changes,
    KeyProblem,
    LoadRecord,
    RawTable,
    TableColumn,
)

if TYPE_CHECKING:
    from mlpipes_cli.data.readers.inputs import Input
    from mlpipes_cli.data.readers.reading import Reading
    from mlpipes_cli.ports import Reporter
    from mlpipes_cli.project import ProjectFolder

_READING = (
    "separator",
    "quote",
    "encoding",
    "sheet",
    "decimal",
    "thousands",
    "missing",
    "other_columns",
    "key",
)
_OF_COLUMNS = {"type", "rename", "drop", "format"}
_TRIES = 4  # plans for one load


@dataclass(frozen=True)
class Loaded:
    """What a load did.

    Attributes:
        dataset: The data set.
        load: The number of the load that the table's rows are from; of an earlier one if nothing changed.
        rows: Rows of the table.
        added: Rows that were not there before.
        updated: Rows of a known key that changed.
        unchanged: Rows of the source that were there already.
        set_aside: Rows that could not be read and are in ``raw_data._bad_rows``.
        fingerprint: SHA-256 of the content and of how it is read.
        columns: The table's columns.
    """

    dataset: str
    load: int
    rows: int
    added: int
    updated: int
    unchanged: int
    set_aside: int
    fingerprint: str
    columns: tuple[TableColumn, ...] = field(default=())


def load(project: ProjectFolder, file: Path, reporter: Reporter) -> Loaded:
    """Load the source of a ``dataset.yaml`` into the project's database.

    Args:
        project: The project; its stack has to be up.
        file: The ``dataset.yaml``.
        reporter: Gets progress, what was understood, and warnings.

    Raises:
        ConfigError: The file has mistakes, or the source does not fit it; each has a line.
        MlpipesError: The database does not answer or refuses; nothing was changed.
    """
    config, source = load_dataset(file, project.shown(file))
    endpoints = wiring.make_runtime(project).endpoints()
    database_wiring.prepare_database(endpoints.database_url)
    with opening.opened(config, file.parent, source, endpoints.reader_url, project.root) as inputs:
        found = columns.declared(config, inputs[0].names(), source)
        key = [columns.stored(config, name, found, ("key",), source) for name in config.key or ()]
        with database_wiring.raw_table(endpoints.database_url, config.dataset, reporter.info) as table:
            loaded = _Load(config, source, inputs, table, reporter, key).run()
    if loaded.added or loaded.updated:
        target_lines.tell(config, endpoints, reporter)
    return loaded


class _Load:
    def __init__(
        self,
        config: DatasetConfig,
        source: YamlSource,
        inputs: Sequence[Input],
        table: RawTable,
        reporter: Reporter,
        key: Sequence[str],
    ) -> None:
        self.config, self.source, self.inputs, self.table = config, source, list(inputs), table
        self.reporter, self.key = reporter, key
        self.started = datetime.now(UTC)
        self.mode = config.load.mode
        self.prints: list[str] = []

    def run(self) -> Loaded:
        with opening.as_problems(self.source):
            whole, left = "", 0
            if self._may_be_known():
                whole = self._fingerprints()
                if (known := self._known(whole)) is not None:
                    return known
                left = self._leave_out_known()
            self._warn_of_changed_files()
            reading = self._reading()
            with self.reporter.task(f"loading {self.config.dataset}") as task:
                number, changes = self._copied(reading, task)
            whole = whole or self._fingerprints()  # of what was read just now
        aside = self._bad_rows(reading)
        record = self._record(number, whole, reading, changes, left, len(aside))
        self.table.finish(record, aside)
        opening.tell(self.reporter, self.inputs, reading, self.config)
        return _result(record)

    def _may_be_known(self) -> bool:
        """Return whether a file has the size of one that was loaded, so that its content decides."""
        sizes = {one.get("bytes") for record in self.table.loads for one in record.settings.get("files", ())}
        return bool(sizes) and any(one.size is None or one.size in sizes for one in self.inputs)

    def _fingerprints(self) -> str:
        self.prints = [self._print(one) for one in self.inputs]
        return _digest(self.prints) if len(self.prints) > 1 else self.prints[0]

    def _print(self, one: Input) -> str:
        with opening.as_problems(self.source, one.shown):
            return _fingerprint(self.config, [one.digest()])

    def _known(self, fingerprint: str) -> Loaded | None:
        """Return the answer for a source that is in the table as it is; None if it is not."""
        loads = self.table.loads
        if self.table.columns is None or not loads:
            return None
        since = next((at for at, one in enumerate(loads) if one.mode == "replace"), len(loads) - 1)
        looked_at = loads[: since + 1] if self.mode == "append" else loads[:1]
        same = next((one for one in looked_at if one.fingerprint == fingerprint), None)
        if same is None:
            files = _files_of(looked_at)
            if self.mode != "append" or not set(self.prints) <= set(files):
                return None
            unchanged = sum(files[one] for one in self.prints)
        else:
            unchanged = same.rows if same.mode == "replace" else same.added + same.updated + same.unchanged
        self.reporter.info(
            f"{self.config.dataset}: the source has not changed since load {(same or loads[0]).id}:"
            " nothing was added"
        )
        newest = loads[0]
        return Loaded(
            newest.dataset, newest.id, newest.rows, 0, 0, unchanged, 0, fingerprint, tuple(newest.columns)
        )

    def _leave_out_known(self) -> int:
        """Leave out the files that were appended before; return the number of their rows."""
        if self.mode != "append" or self.table.columns is None or len(self.inputs) == 1:
            return 0
        loads = list(self.table.loads)
        since = next((at for at, one in enumerate(loads) if one.mode == "replace"), len(loads) - 1)
        files = _files_of(loads[: since + 1])
        known = [at for at, one in enumerate(self.prints) if one in files]
        for at in known:
            self.reporter.info(f"{self.inputs[at].shown}: was loaded before; left out")
        rows = sum(files[self.prints[at]] for at in known)
        self.inputs = [one for at, one in enumerate(self.inputs) if at not in known]
        self.prints = [one for at, one in enumerate(self.prints) if at not in known]
        return rows

    def _warn_of_changed_files(self) -> None:
        """Warn of files that were appended before: without a key, their old rows come again."""
        if self.mode != "append" or self.key:
            return
        loads = list(self.table.loads)
        since = next((at for at, one in enumerate(loads) if one.mode == "replace"), len(loads) - 1)
        before = {one["source"] for record in loads[: since + 1] for one in record.settings.get("files", ())}
        for one in self.inputs:
            if one.shown in before:
                self.reporter.warn(
                    f"{one.shown}: was loaded before with other content; all its rows are added again."
                    " With `key`, rows that are there are left out"
                )

    def _reading(self) -> Reading:
        from mlpipes_cli.data.readers.planning import Declared
        from mlpipes_cli.data.readers.reading import Reading

        found = columns.declared(self.config, self.inputs[0].names(), self.source)
        there = None if self.mode == "replace" else self.table.columns
        if there is not None:
            types = {column.name: column.type for column in there}
            self._check_columns([one.name for one in found.values()], types)
            found = {name: Declared(one.name, types[one.name], one.pattern) for name, one in found.items()}
        keep = self.config.load.on_bad_rows == "set_aside"
        return Reading(self.inputs, found, opening.formats(self.config), keep)

    def _check_columns(self, names: Sequence[str], there: dict[str, str]) -> None:
        lacks = [name for name in there if name not in names]
        more = [name for name in names if name not in there]
        if lacks or more:
            said = [f"the source lacks {', '.join(map(repr, lacks[:3]))}"] if lacks else []
            said += [f"the source also has {', '.join(map(repr, more[:3]))}"] if more else []
            raise ConfigError(
                [
                    self.source.problem(
                        ("load", "mode"),
                        f"raw_data.{self.config.dataset} has other columns: {' and '.join(said)};"
                        " `mode: replace` makes the table anew",
                    )
                ]
            )

    def _copied(self, reading: Reading, task: Any) -> tuple[int, Changes]:
        from mlpipes_cli.data.readers.plan import Deviates

        plan = reading.first_plan()
        for _ in range(len(plan.columns) + _TRIES):
            made = [
                TableColumn(one.name, one.type, None if one.name == one.source else one.source)
                for one in plan.columns
            ]
            number = self.table.begin(self.mode, made, self.key)
            try:
                self.table.copy(_counted(reading, task))
                break
            except Deviates as error:
                plan = reading.deviated(error)
        self._check(reading)
        try:
            return number, self.table.apply()
        except KeyProblem as error:
            where = ", ".join(reading.places(error.rows))
            said = f"{where}: {error}" if where else str(error)
            raise ConfigError([self.source.problem(("key",), said)]) from None

    def _check(self, reading: Reading) -> None:
        """Check that no row is bad, unless bad rows are set aside, and that there are rows at all."""
        if reading.set_aside and self.config.load.on_bad_rows == "refuse":
            problems = reading.problems()
            problems[-1] += f"; {opening.way_out(self.config, reading)}"
            raise ConfigError(problems)
        if not sum(reading.rows):
            shown = ", ".join(one.shown for one in self.inputs[:3])
            aside = f", and {reading.set_aside} that cannot be read" if reading.set_aside else ""
            raise ConfigError([self.source.problem(("source",), f"{shown} has no rows{aside}")])

    def _bad_rows(self, reading: Reading) -> list[BadRow]:
        return [
            BadRow(one.shown, line.number, line.reason, line.content) for one, line in reading.bad_lines()
        ]

    def _record(
        self, number: int, fingerprint: str, reading: Reading, changes: Changes, left: int, aside: int
    ) -> LoadRecord:
        made = reading.plan.columns
        files = [
            {"source": one.shown, "fingerprint": found, "rows": rows, "bytes": one.size}
            for one, found, rows in zip(self.inputs, self.prints, reading.rows, strict=True)
        ]
        return LoadRecord(
            id=number,
            dataset=self.config.dataset,
            mode=self.mode,
            source=", ".join(one.shown for one in self.inputs[:5])
            + (", ..." if len(self.inputs) > 5 else ""),
            fingerprint=fingerprint,
            rows=changes.rows,
            added=changes.added,
            updated=changes.updated,
            unchanged=changes.unchanged + left,
            set_aside=aside,
            columns=[
                TableColumn(one.name, one.type, None if one.name == one.source else one.source)
                for one in made
            ],
            settings={"files": files, **opening.understood(self.inputs, reading)},
            actor=actor.user(),
            started_at=self.started,
        )


def _counted(reading: Reading, task: Any) -> Iterator[Sequence[Any]]:
    for batch in reading.batches():
        yield batch
        task.note(f"{sum(reading.rows):,} rows")


def _files_of(loads: Sequence[LoadRecord]) -> dict[str, int]:
    return {
        one["fingerprint"]: int(one["rows"]) for record in loads for one in record.settings.get("files", ())
    }


def _fingerprint(config: DatasetConfig, digests: Sequence[str]) -> str:
    told = config.model_dump(mode="json", include=set(_READING))
    told["columns"] = {
        name: one.model_dump(mode="json", include=_OF_COLUMNS, exclude_defaults=True)
        for name, one in config.columns.items()
    }
    told["bad"] = config.load.on_bad_rows
    return _digest([json.dumps(told, sort_keys=True, default=str), *digests])


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _result(record: LoadRecord) -> Loaded:
    return Loaded(
        record.dataset, record.id, record.rows, record.added, record.updated, record.unchanged,
        record.set_aside, record.fingerprint, tuple(record.columns),
    )  # fmt: skip
