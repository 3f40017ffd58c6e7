"""What a backup file says of itself."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlpipes_cli.errors import MlpipesError

FORMAT = 2  # 1 had no key
DATABASES = ("mlpipes", "mlflow")  # in the order in which they are copied: predictions name models
_SINGLE = {
    "runs": "run", "models": "model", "versions": "version", "aliases": "alias",
    "predictions": "prediction", "data rows": "data row", "artifacts": "artifact",
}  # fmt: skip
MANIFEST, CHECKSUM = "manifest.json", "manifest.sha256"


@dataclass(frozen=True)
class Member:
    """A file in the backup.

    Attributes:
        name: ``databases/<name>.sql`` or ``artifacts/<key>``.
        size: Bytes.
        sha256: Of its content, in hexadecimal digits.
    """

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """The first thing that a restore looks at.

    Attributes:
        project: Whose data it is.
        runtime: Where it came from.
        created: When, in UTC (ISO 8601).
        mlpipes: The release that wrote it.
        mlflow: Its MLflow.
        revision: The version of MLflow's tables.
        servers: The versions of the database servers, by database.
        rows: How many rows each table has, by database and ``schema.table``.
        missing: Locations of models that had no file.
        members: All other files in it, in their order.
        model_key: The id of the key that the project signs its models with; empty where there was none.
    """

    project: str
    runtime: str
    created: str
    mlpipes: str
    mlflow: str
    revision: str | None
    servers: Mapping[str, str]
    rows: Mapping[str, Mapping[str, int]]
    missing: tuple[str, ...] = ()
    members: tuple[Member, ...] = field(default=(), repr=False)
    model_key: str = ""

    def artifacts(self) -> dict[str, Member]:
        """The artifacts by key."""
        start = "artifacts/"
        return {m.name.removeprefix(start): m for m in self.members if m.name.startswith(start)}

    def to_json(self) -> bytes:
        """The manifest as it is written."""
        return (json.dumps({"format": FORMAT, **dataclasses.asdict(self)}, indent=1) + "\n").encode()


def from_json(text: bytes, path: Path) -> Manifest:
    """Read a manifest.

    Raises:
        MlpipesError: It is of a newer format, or none at all.
    """
    try:
        row: dict[str, Any] = json.loads(text)
        found = int(row.pop("format"))
        if found > FORMAT:
            raise MlpipesError(
                f"{path} has format {found}, and this release reads up to {FORMAT}",
                f"install mlpipes {row.get('mlpipes', 'of a newer release')} and restore with it",
            )
        members = tuple(Member(**one) for one in row.pop("members"))
        return Manifest(members=members, missing=tuple(row.pop("missing")), **row)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise MlpipesError(f"{path}: its manifest cannot be read", "take another backup file") from None


def content(rows: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """What counts of the tables of both databases, in the words of people."""
    mlflow, ours = rows.get("mlflow", {}), rows.get("mlpipes", {})
    return {
        "runs": mlflow.get("public.runs", 0),
        "models": mlflow.get("public.registered_models", 0),
        "versions": mlflow.get("public.model_versions", 0),
        "aliases": mlflow.get("public.registered_model_aliases", 0),
        "predictions": ours.get("serving.predictions", 0),
        "data rows": sum(n for table, n in ours.items() if table.startswith(("raw_data.", "clean_data."))),
    }


def words(counts: Mapping[str, int]) -> str:
    """Counts as a sentence has them."""
    return ", ".join(
        f"{number} {_SINGLE[name] if number == 1 else name}" for name, number in counts.items() if number
    )
