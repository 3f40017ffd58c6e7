"""Reads a version of a data set from the project's database, as the role that can only read.

The rows come in the order of ``_row``, with the types that the version's record has: the values are those
that a file with the same rows gives.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from mlpipes_cli.config.dataset.reference import DatasetReference
from mlpipes_cli.config.experiment import Data, Split
from mlpipes_cli.config.yaml_source import YamlSource
from mlpipes_cli.data.formats import Formats
from mlpipes_cli.data.origins.postgres import connect, first_line
from mlpipes_cli.data.origins.select_only import SECONDS
from mlpipes_cli.data.origins.source_location import AT
from mlpipes_cli.data.origins.version_rows import VersionRows, copied
from mlpipes_cli.data.problems import wrong
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports.data_sets.datasets import DatasetVersion, TableColumn
from mlpipes_cli.suggest import did_you_mean

_SOURCES = (
    "sources"  # beside the settings of the record: a column's name in the tables, by that in the source
)
_READ = "read"  # how the source was written, as the load's record has it
_CHANGING = ("cast", "fill", "clip", "derive", "sql", "function")  # steps that make other values
_HINT = "see `mlpipes status`; run `mlpipes up` to repair it"
_VERSIONS = """
select v.version, v.load, v.fingerprint, v.rows, v.splits, v.columns, v.settings, v.table_name, l.columns,
  l.settings
from clean_data._versions v left join raw_data._loads l on l.id = v.load
where v.dataset = %s order by v.version
"""
_PREPARE = "`mlpipes data prepare` makes one"
_LOAD = "load it first with `mlpipes data load`, and make a version with `mlpipes data prepare`"


def settings(version: DatasetVersion, data: Data) -> Data:
    """Return an experiment's settings with the version's number, weights, key and way of splitting."""
    about = version.settings
    split = about.get("split") or {}
    made = Split.model_construct(
        stratify=_column(version, split.get("stratify")) == data.target,
        by=_column(version, split.get("by")),
        group=_column(version, split.get("group")),
    )
    changed: dict[str, Any] = {"split": made}
    changed["source"] = DatasetReference(version.dataset, version.version).source
    weights = _column(version, about.get("weights"))
    if data.weights is None:
        changed["weights"] = weights
    elif data.weights is False and weights is not None and weights not in data.drop:
        changed["drop"] = (*data.drop, weights)
    key = [_column(version, name) for name in about.get("key") or ()]
    if data.id is None and len(key) == 1 and key[0] not in {None, data.target, *data.drop}:
        changed["id"] = key[0]
    return data.model_copy(update=changed)


def _column(version: DatasetVersion, name: str | None) -> str | None:
    """Return the table's name of a column that ``dataset.yaml`` names; None if a step has removed it."""
    name = version.settings[_SOURCES].get(name, name)
    return name if name in {one.name for one in version.columns} else None


def formats(version: DatasetVersion, found: Formats) -> Formats:
    """Return how rows of the data set's source are written, with the names that a model knows them by.

    Args:
        version: The version.
        found: What the experiment's file says.
    """
    steps = version.settings.get("clean") or ()
    read = version.settings[_READ]
    there = {one.name for one in version.columns}
    named = dict(version.settings[_SOURCES])
    for step in steps:
        changed = step.get("rename") or {}
        named = {raw: changed.get(name, name) for raw, name in named.items()}
        known = set(named.values())
        named |= {old: new for old, new in changed.items() if new not in known}
    names = {raw: name for raw, name in named.items() if name in there and name != raw}
    last = {name: named.get(name, name) for name in read.get("dates", {})}
    return found.found(
        decimal=found.decimal or read.get("decimal"),
        thousands=found.thousands or read.get("thousands"),
        missing=tuple(dict.fromkeys([*found.missing, *read.get("missing", ())])),
        dates={**{last[name]: how for name, how in read.get("dates", {}).items()}, **found.dates},
        renames=names,
        header=tuple(read["header"]) if read.get("header") else found.header,
        steps=tuple(kind for kind in _CHANGING if any(step.get(kind) for step in steps)),
    )


def find_version(data: Data, source: YamlSource, database_url: str | None) -> DatasetVersion:
    """Return the record of the version that ``source:`` names, or of the newest one.

    Raises:
        ConfigError: There is no such data set or version, or its rows were removed.
        MlpipesError: The database cannot be reached.
    """
    wanted = data.dataset
    assert wanted is not None
    with _asked(wanted, source, database_url) as cursor:
        return _find(cursor, wanted, source)


def load_version(version: DatasetVersion, source: YamlSource, database_url: str | None) -> VersionRows:
    """Read the rows of a version.

    Raises:
        ConfigError: They were removed meanwhile, or have a date that no frame can hold.
        MlpipesError: The database cannot be reached.
    """
    wanted = DatasetReference(version.dataset, version.version)
    with _asked(wanted, source, database_url) as cursor:
        try:
            return copied(cursor, version)
        except ValueError as error:
            raise wrong(source, AT, f"{wanted}: {error}") from None


@contextmanager
def _asked(wanted: DatasetReference, source: YamlSource, database_url: str | None) -> Iterator[Any]:
    """Yield a cursor of a connection that can only read; say what fails at its line of the file."""
    import psycopg2

    if database_url is None:
        reason = source.problem(AT, "the project's database has no read-only role yet")
        raise MlpipesError(reason, "`mlpipes up` creates it")
    with closing(connect(database_url, source, _HINT)) as link:
        link.set_session(readonly=True, isolation_level="REPEATABLE READ")
        try:
            with link.cursor() as cursor:
                cursor.execute(f"set local statement_timeout = '{SECONDS}s'; set local datestyle = 'ISO'")
                yield cursor
        except psycopg2.errors.UndefinedTable:
            raise wrong(source, AT, f"the rows of {wanted} were removed; name another version") from None
        except psycopg2.Error as error:
            reason = source.problem(AT, f"{wanted} cannot be read ({first_line(error)})")
            raise MlpipesError(reason, "see `mlpipes status`, and try again") from None


def _find(cursor: Any, wanted: DatasetReference, source: YamlSource) -> DatasetVersion:
    """Return the record of the version."""
    cursor.execute("select to_regclass('clean_data._versions') is not null")
    if not cursor.fetchone()[0]:
        raise wrong(source, AT, f"there is no data set {wanted.name!r}; {_LOAD}")
    cursor.execute(_VERSIONS, (wanted.name,))
    found = [_version(wanted.name, row) for row in cursor.fetchall()]
    if not found:
        raise wrong(source, AT, _no_dataset(cursor, wanted.name))
    number = found[-1].version if wanted.version is None else wanted.version
    version = next((one for one in found if one.version == number), None)
    if version is None:
        known = ", ".join(str(one.version) for one in found[-8:])
        raise wrong(source, AT, f"{wanted.name} has no version {number}; use one of {known}")
    if version.table is None:
        kept = ", ".join(str(one.version) for one in found if one.table is not None)
        instead = f"use one of {kept}" if kept else _PREPARE
        raise wrong(source, AT, f"the rows of {wanted.name}@{number} were removed by a prune; {instead}")
    return version


def _no_dataset(cursor: Any, name: str) -> str:
    cursor.execute(
        "select dataset, true from clean_data._versions union select dataset, false from raw_data._loads"
    )
    known = dict(sorted(cursor.fetchall()))
    if name in known:
        return f"the data set {name!r} has no version yet; {_PREPARE}"
    return f"there is no data set {name!r}{did_you_mean(name, known) or f'; {_LOAD}'}"


def _version(name: str, row: tuple[Any, ...]) -> DatasetVersion:
    version, load, fingerprint, rows, splits, columns, settings, table, raw, read = row
    named = [TableColumn(one["name"], one["type"]) for one in columns]
    sources = {one["source"]: one["name"] for one in raw or () if one.get("source")}
    told = {**settings, _SOURCES: sources, _READ: read or {}}
    return DatasetVersion(name, version, load, fingerprint, rows, splits, named, settings=told, table=table)
