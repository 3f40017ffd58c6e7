"""Compares the data of a stack with a backup's manifest."""

from __future__ import annotations

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.lifecycle.transfer.manifest import DATABASES, Manifest
from mlpipes_cli.lifecycle.transfer.replace import checksum
from mlpipes_cli.ports import Reporter, Storage
from mlpipes_cli.ports.dumps import Databases


def verify(storage: Storage, databases: Databases, manifest: Manifest, reporter: Reporter) -> None:
    """Make sure that every table of both databases has as many rows, and that every artifact is the same.

    Raises:
        MlpipesError: Something differs; the message names it.
    """
    with reporter.task("comparing") as task:
        for name in DATABASES:
            task.note(f"database {name}")
            _compare_rows(name, dict(databases.facts(storage.databases[name]).rows), manifest)
        task.note("artifacts")
        wanted = manifest.artifacts()
        found = {entry.key: entry.size for entry in storage.artifacts.entries()}
        if found.keys() != wanted.keys():
            odd = sorted(found.keys() ^ wanted.keys())
            raise _differs(f"{len(odd)} artifacts are missing or unexpected, the first of them {odd[0]}")
        for number, (key, member) in enumerate(wanted.items(), 1):
            task.note(f"artifact {number} of {len(wanted)}")
            if found[key] != member.size or checksum(storage.artifacts, key) != member.sha256:
                raise _differs(f"artifact {key} has different content")


def _compare_rows(name: str, found: dict[str, int], manifest: Manifest) -> None:
    wanted = dict(manifest.rows[name])
    for table in sorted(found.keys() | wanted.keys()):
        if found.get(table) != wanted.get(table):
            here, there = found.get(table, "no"), wanted.get(table, "no")
            raise _differs(f"table {table} of database {name} has {here} rows instead of {there}")


def _differs(what: str) -> MlpipesError:
    return MlpipesError(
        f"the copy differs from what was copied: {what}", "check whether something else writes to it"
    )
