"""Remembers which prepared data a version of a data set gave, so that it need not be read again."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli.errors import MlpipesError

if TYPE_CHECKING:
    from mlpipes_cli.config.experiment import Data
    from mlpipes_cli.data.prepared import Prepared
    from mlpipes_cli.ports.data_sets.datasets import DatasetVersion

_FOLDER = "versions"


@dataclass(frozen=True, eq=False)
class KnownVersion:
    """Prepared data, and what was said when its rows were read.

    Attributes:
        prepared: The data.
        reading: How it was written.
        notes: How it was read, one line each.
        warnings: Warnings of reading it, one line each.
    """

    prepared: Prepared
    reading: Mapping[str, Any]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class PreparedVersions:
    """The prepared data of versions.

    Attributes:
        data: The folder in which prepared data is kept, by its fingerprint.
    """

    data: Path

    def key(self, version: DatasetVersion, data: Data) -> str:
        """Return the key of a version, prepared with an experiment's settings by this release."""
        content = {
            "mlpipes": installed("mlpipes"),
            "dataset": [version.dataset, version.version, version.fingerprint, version.rows],
            "columns": [[column.name, column.type] for column in version.columns],
            "data": data.model_dump(mode="json"),
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def find(self, key: str) -> KnownVersion | None:
        """Return what is kept under a key, if it is whole."""
        from mlpipes_cli.data.prepared_cache import open_store

        try:
            note = json.loads(self._note(key).read_text(encoding="utf-8"))
            prepared = open_store(self.data / note["fingerprint"])
            return KnownVersion(prepared, note["reading"], tuple(note["notes"]), tuple(note["warnings"]))
        except (OSError, ValueError, LookupError, TypeError, MlpipesError):
            return None

    def keep(self, key: str, known: KnownVersion) -> None:
        """Note under a key where prepared data is kept; a full disk only costs the note."""
        content = {
            "fingerprint": known.prepared.fingerprint,
            "reading": dict(known.reading),
            "notes": known.notes,
            "warnings": known.warnings,
        }
        with contextlib.suppress(OSError):
            note = self._note(key)
            note.parent.mkdir(parents=True, exist_ok=True)
            temporary = note.with_suffix(".new")
            temporary.write_text(json.dumps(content), encoding="utf-8")
            temporary.replace(note)

    def _note(self, key: str) -> Path:
        return self.data / _FOLDER / f"{key}.json"
