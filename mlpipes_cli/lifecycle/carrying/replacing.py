"""Replacing all that a stack keeps by what a backup file holds, or leaving it as it was."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.lifecycle.carrying.journal import Journal
from mlpipes_cli.lifecycle.carrying.manifest import DATABASES, Manifest, Member
from mlpipes_cli.lifecycle.carrying.reading import contents
from mlpipes_cli.ports import ArtifactStore, Reporter, Storage, Task
from mlpipes_cli.ports.dumps import Databases, Loading

_CHUNK = 1 << 20


def replace(
    storage: Storage,
    databases: Databases,
    path: Path,
    manifest: Manifest,
    journal: Journal,
    reporter: Reporter,
) -> None:
    """Put a checked backup in the place of everything. Nothing else may write meanwhile.

    Both databases are loaded, each in a transaction that stays open; then artifacts are added; then
    both transactions are committed; then artifacts that are too many are removed. Until the first
    commit every failure leaves the old content. After it, or after a kill, the same call goes on.

    Raises:
        MlpipesError: It failed; the message says what holds now.
    """
    settle(storage.artifacts, journal)
    journal.open(path)
    work = _Replacement(storage.artifacts, manifest, journal)
    with reporter.task("restoring") as task, contextlib.ExitStack() as stack:
        loadings = {
            name: stack.enter_context(databases.loading(storage.databases[name])) for name in DATABASES
        }
        try:
            work.load(path, loadings, task)
        except BaseException:
            work.undo()
            raise
        task.note("committing")
        _commit(loadings, journal, path)
        task.note("removing what the backup does not have")
        work.clean()
    journal.close()


def settle(store: ArtifactStore, journal: Journal) -> None:
    """Put back what an earlier replacement wrote over before it was stopped, if nothing of it holds."""
    found = journal.state()
    if found and found[0] == "loading":
        journal.put_back(store)
        journal.close()


def _commit(loadings: Mapping[str, Loading], journal: Journal, path: Path) -> None:
    os.sync()  # a store in a folder of this machine: all files at once, which takes far less than one by one
    journal.mark("committing")
    try:
        for loading in loadings.values():
            loading.commit()
    except MlpipesError as error:
        raise MlpipesError(
            f"the restore was cut off at its very end: {error.reason}", f"run `mlpipes restore {path}` again"
        ) from None
    journal.mark("committed")


@dataclass
class _Replacement:
    """One attempt.

    Attributes:
        store: The artifacts.
        manifest: What shall be there.
        journal: Where it is written down.
        there: The artifacts that were there at the start: sizes by key.
        added: Keys that were not there.
    """

    store: ArtifactStore
    manifest: Manifest
    journal: Journal
    there: dict[str, int] = field(default_factory=dict)
    added: list[str] = field(default_factory=list)

    def load(self, path: Path, loadings: Mapping[str, Loading], task: Task) -> None:
        """All but the commit."""
        self.there = {one.key: one.size for one in self.store.entries()}
        count = len(self.manifest.members)
        with contents(path, self.manifest) as members:
            for number, (member, content) in enumerate(members, 1):
                task.note(f"{number} of {count}: {member.name}")
                folder, _, name = member.name.partition("/")
                if folder == "databases":
                    loadings[name.removesuffix(".sql")].load(content)
                else:
                    self._artifact(name, member, content)

    def _artifact(self, key: str, member: Member, content: BinaryIO) -> None:
        if key not in self.there:
            self.added.append(key)
        elif self.there[key] == member.size and checksum(self.store, key) == member.sha256:
            return
        else:
            self.journal.keep(self.store, key)
        self.store.write(key, content, member.size)

    def undo(self) -> None:
        """The artifacts as they were; what does not work now is done by the next attempt."""
        with contextlib.suppress(MlpipesError):
            self.journal.put_back(self.store)
            self.store.remove(self.added)
            self.journal.close()

    def clean(self) -> None:
        """Remove the artifacts that no row names any more."""
        wanted = self.manifest.artifacts()
        self.store.remove(key for key in self.there if key not in wanted)


def checksum(store: ArtifactStore, key: str) -> str:
    """The SHA-256 of an artifact, in hexadecimal digits."""
    found = hashlib.sha256()
    with store.read(key) as content:
        while piece := content.read(_CHUNK):
            found.update(piece)
    return found.hexdigest()
