"""Identify the stack of a project's folder, even after the folder was moved, copied or emptied."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli.adapters.docker.containers import labels
from mlpipes_cli.adapters.docker.containers.labels import StackLabels
from mlpipes_cli.adapters.docker.errors.translate import translate_errors
from mlpipes_cli.adapters.processes.json_files import make_folder, read_json, write_json
from mlpipes_cli.local_files import env_file
from mlpipes_cli.project import ProjectFolder

if TYPE_CHECKING:
    from mlpipes_cli.adapters.docker.engine.connection import DockerEngine
    from mlpipes_cli.ports import Reporter

_ID = re.compile(r"[a-z0-9][a-z0-9_-]*-[0-9a-f]{6}")


@dataclass(frozen=True)
class StackIdentity:
    """Reads and creates the id of a project's stack, which is stored in ``.mlpipes/docker.json``."""

    project: ProjectFolder

    @property
    def root(self) -> Path:
        """The project's folder, without symbolic links."""
        return Path(os.path.realpath(self.project.root))

    @property
    def _file(self) -> Path:
        return self.project.state / "docker.json"

    def marks(self, id: str) -> StackLabels:
        """Return the labels of the stack with that id."""
        return StackLabels(id, self.root, labels.key(id, self._password()))

    def _password(self) -> str:
        return env_file.read(self.project.env_file).get("POSTGRES_PASSWORD", "")

    def known(self, engine: DockerEngine) -> StackLabels | None:
        """Return the labels of the project's stack, or None if it never had one; nothing is written.

        Raises:
            MlpipesError: The engine does not answer.
        """
        id = self.written() or next(iter(self._found(engine)), None)
        return self.marks(id) if id else None

    def written(self) -> str | None:
        """Return the id in the file; None if it is missing or was copied from another project's folder."""
        row = read_json(self._file)
        id, root = row.get("id"), row.get("root")
        if not isinstance(id, str) or not _ID.fullmatch(id) or not isinstance(root, str):
            return None
        return None if root != str(self.root) and _lives(Path(root), id) else id

    def settle(self, engine: DockerEngine, reporter: Reporter) -> StackLabels:
        """Return the labels of the project's stack; create and write a new id if it has none.

        Raises:
            MlpipesError: The engine does not answer, or the file cannot be written.
        """
        id = self.written()
        if id is None:
            id = self._recovered(engine, reporter) or f"{self.project.config.project}-{secrets.token_hex(3)}"
            self._write({"id": id, "root": str(self.root)})
        elif read_json(self._file).get("root") != str(self.root):
            reporter.info(f"the project folder was moved; it keeps its stack {id}")
            self._write({**read_json(self._file), "root": str(self.root)})
        return self.marks(id)

    def note(self, name: str) -> Mapping[str, Any]:
        """Return a record that is stored beside the id; empty if there is none."""
        value = read_json(self._file).get(name)
        return value if isinstance(value, dict) else {}

    def write_note(self, name: str, value: Mapping[str, Any]) -> None:
        """Store a record beside the id."""
        if value != self.note(name):
            self._write({**read_json(self._file), name: dict(value)})

    def forget(self) -> None:
        """Remove the file with the id and the records."""
        self._file.unlink(missing_ok=True)

    def _write(self, row: Mapping[str, Any]) -> None:
        make_folder(self.project.state)
        write_json(self._file, {"version": 1, **row})

    def _recovered(self, engine: DockerEngine, reporter: Reporter) -> str | None:
        found = self._found(engine)
        if found:
            reporter.info(f"found this project's stack again by its labels: {found[0]}")
            return found[0]
        others = sorted(self._candidates(engine))
        if others:
            reporter.warn(
                f"another stack of this folder has other passwords ({', '.join(others)}); it was not changed"
            )
        return None

    def _found(self, engine: DockerEngine) -> list[str]:
        """Return the ids of stacks that were created from this folder and ``.env``, in sorted order."""
        password = self._password()
        return [
            id for id, keys in sorted(self._candidates(engine).items()) if labels.key(id, password) in keys
        ]

    def _candidates(self, engine: DockerEngine) -> dict[str, set[str]]:
        """Return the keys of resources labelled with this folder, by stack id, without stacks that moved."""
        with translate_errors("looking for this project's stack"):
            containers = engine.client.api.containers(all=True, filters={"label": [labels.ROOT]})
            wanted = {"label": f"{labels.ROOT}={self.root}"}
            volumes = engine.client.api.volumes(filters=wanted).get("Volumes") or []
        rows = [row.get("Labels") or {} for row in (*containers, *volumes)]
        elsewhere = {
            row.get(labels.PROJECT)
            for row in (container.get("Labels") or {} for container in containers)
            if row[labels.ROOT] != str(self.root)
        }
        found: dict[str, set[str]] = {}
        for row in rows:
            id = row.get(labels.PROJECT, "")
            if row.get(labels.ROOT) == str(self.root) and _ID.fullmatch(id) and id not in elsewhere:
                found.setdefault(id, set()).add(row.get(labels.KEY, ""))
        return found


def _lives(root: Path, id: str) -> bool:
    """Return whether another folder still has the stack with that id."""
    return read_json(root / ".mlpipes" / "docker.json").get("id") == id
