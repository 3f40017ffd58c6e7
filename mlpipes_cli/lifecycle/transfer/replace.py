"""Replaces all data of a stack by the content of a backup file, or leaves it unchanged."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.lifecycle.transfer.archive_reader import contents
from mlpipes_cli.lifecycle.transfer.manifest import DATABASES, Manifest, Member
from mlpipes_cli.lifecycle.transfer.restore_journal import RestoreJournal, Stage
from mlpipes_cli.ports import ArtifactStore, Reporter, Storage, Task
from mlpipes_cli.ports.dumps import Databases, Loading

_CHUNK = 1 << 20


def replace(
    storage: Storage,
    databases: Databases,
    path: Path,
    manifest: Manifest,
    journal: RestoreJournal,
    reporter: Reporter,
) -> None:
    """Replace all data by a checked backup. Nothing else may write meanwhile.

    Both databases are loaded, each in a transaction that stays open; then artifacts are added; then
    both transactions are committed; then superfluous artifacts are removed. Until the first
    commit every failure leaves the old content. After it, or after a kill, the same call continues.

    Raises:
        MlpipesError: It failed; the message says what the databases hold now, by their own answers.
    """
    finish(storage.artifacts, journal)
    previous = journal.state()
    before = Before({name: databases.identity(storage.databases[name]) for name in DATABASES})
    journal.open(path)
    work = _Replacement(storage.artifacts, manifest, journal, previous)
    with reporter.task("restoring") as task:
        try:
            with contextlib.ExitStack() as stack:
                loadings = {
                    name: stack.enter_context(databases.loading(storage.databases[name]))
                    for name in DATABASES
                }
                work.load(path, loadings, task)
                task.note("committing")
                _commit(loadings, journal)
        except MlpipesError as error:  # everything that was not committed is rolled back by now
            task.note("checking the present state")
            raise _explained(error, before.compare(storage, databases), work, path) from None
        except BaseException:
            if _loading(journal):
                work.undo()
            raise
        task.note("removing artifacts that are not in the backup")
        work.clean(path)
    journal.close()


def finish(store: ArtifactStore, journal: RestoreJournal) -> None:
    """Put back artifacts that an interrupted replacement overwrote, if none of it was committed."""
    if _loading(journal):
        journal.put_back(store)
        journal.close()


def _loading(journal: RestoreJournal) -> bool:
    found = journal.state()
    return found is not None and found[0] == "loading"


def _commit(loadings: Mapping[str, Loading], journal: RestoreJournal) -> None:
    os.sync()  # a store in a folder of this machine: all files at once, which is much faster than one by one
    journal.mark("committing")
    for loading in loadings.values():
        loading.commit()
    journal.mark("committed")


def _explained(error: MlpipesError, now: Now, work: _Replacement, path: Path) -> MlpipesError:
    """Return the error with the present state; put artifacts back if both databases are the old ones."""
    again = f"run `mlpipes restore {path}` again, or restore another backup"
    if now.changed:
        if _loading(work.journal):
            work.journal.mark("committing")
        return MlpipesError(f"{error.reason}; {now.words()}", again)
    if now.unknown and not _loading(work.journal):
        return MlpipesError(f"the restore was interrupted at its end: {error.reason}; {now.words()}", again)
    problem = work.undo()
    if problem is not None:
        message = f"{now.words()}, but overwritten artifacts could not be recovered ({problem.reason})"
        return MlpipesError(f"{error.reason}; {message}", "the next backup or restore retries it")
    message = now.words() if now.unknown else "both databases and all artifacts are unchanged"
    return MlpipesError(
        f"{error.reason}; {message}", error.hint or "see `mlpipes doctor`, or use another backup"
    )


@dataclass(frozen=True)
class Before:
    """The identities of the databases before a replacement, by name."""

    identities: Mapping[str, str]

    def compare(self, storage: Storage, databases: Databases) -> Now:
        """Compare them with the present identities."""
        changed: list[str] = []
        same: list[str] = []
        unknown: list[str] = []
        for name, identity in self.identities.items():
            try:
                found = databases.identity(storage.databases[name])
                (same if found == identity else changed).append(name)
            except MlpipesError:
                unknown.append(name)
        return Now(tuple(changed), tuple(same), tuple(unknown))


@dataclass(frozen=True)
class Now:
    """The names of databases that are new, unchanged, or do not answer."""

    changed: tuple[str, ...]
    same: tuple[str, ...]
    unknown: tuple[str, ...]

    def words(self) -> str:
        """Return the names as a phrase."""
        parts = [f"the database {name} was replaced" for name in self.changed]
        parts += [f"the database {name} is unchanged" for name in self.same]
        parts += [
            f"the state of the database {name} is unknown, since it does not respond" for name in self.unknown
        ]
        return ", ".join(parts)


@dataclass
class _Replacement:
    """One attempt at a replacement.

    Attributes:
        store: The artifact store.
        manifest: The content that is to be restored.
        journal: The restore journal.
        there: The artifacts that existed at the start: sizes by key.
        added: Keys that did not exist at the start.
        earlier: The stage and file of an earlier attempt that did not end.
    """

    store: ArtifactStore
    manifest: Manifest
    journal: RestoreJournal
    previous: tuple[Stage, str] | None
    there: dict[str, int] = field(default_factory=dict)
    added: list[str] = field(default_factory=list)

    def load(self, path: Path, loadings: Mapping[str, Loading], task: Task) -> None:
        """Do everything except the commit."""
        self.there = {entry.key: entry.size for entry in self.store.entries()}
        count = len(self.manifest.members)
        with contents(path, self.manifest) as members:
            for number, (member, content) in enumerate(members, 1):
                task.note(f"{number} of {count}: {member.name}")
                folder, _, name = member.name.partition("/")
                if folder == "databases":
                    self._database(name.removesuffix(".sql"), loadings, content, path)
                else:
                    self._artifact(name, member, content)

    def _database(self, name: str, loadings: Mapping[str, Loading], content: BinaryIO, path: Path) -> None:
        """Load one database, and check that it holds what the manifest says."""
        loadings[name].load(content)
        found = loadings[name].holds()
        wanted = self.manifest.rows.get(name, {})
        for table in sorted(wanted.keys() | found.rows.keys()):
            if wanted.get(table) != found.rows.get(table):
                here, there = found.rows.get(table, "no"), wanted.get(table, "no")
                raise _lies(
                    path,
                    f"table {table} of database {name} has {here} rows, but {there} in the manifest",
                )
        if name == "mlflow" and found.revision != self.manifest.revision:
            raise _lies(
                path, f"its MLflow tables have version {found.revision}, not {self.manifest.revision}"
            )

    def _artifact(self, key: str, member: Member, content: BinaryIO) -> None:
        if key not in self.there:
            self.added.append(key)
        elif self.there[key] == member.size and checksum(self.store, key) == member.sha256:
            return
        else:
            self.journal.keep(self.store, key)
        self.store.write(key, content, member.size)

    def undo(self) -> MlpipesError | None:
        """Restore the old artifacts; else return why not, and the next attempt does it."""
        try:
            if not _loading(self.journal):
                self.journal.mark("loading")  # nothing of it was committed, even if it began
            self.journal.put_back(self.store)
            self.store.remove(self.added)
            self.journal.close()
            if self.previous:  # it is as unfinished as the earlier one
                self.journal.open(Path(self.previous[1]))
                self.journal.mark(self.previous[0])
        except MlpipesError as error:
            return error
        return None

    def clean(self, path: Path) -> None:
        """Remove the artifacts that no row names any more."""
        wanted = self.manifest.artifacts()
        try:
            self.store.remove(key for key in self.there if key not in wanted)
        except MlpipesError as error:
            message = f"{path} was restored, but earlier artifacts could not be removed: {error.reason}"
            raise MlpipesError(message, f"run `mlpipes restore {path}` again") from None


def _lies(path: Path, what: str) -> MlpipesError:
    return MlpipesError(f"{path} is damaged: {what}", "use another backup")


def checksum(store: ArtifactStore, key: str) -> str:
    """Return the SHA-256 of an artifact, in hexadecimal digits."""
    found = hashlib.sha256()
    with store.read(key) as content:
        while chunk := content.read(_CHUNK):
            found.update(chunk)
    return found.hexdigest()
