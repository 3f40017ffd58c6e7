"""The manifest of a backup file."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from mlpipes_cli.errors import MlpipesError

FORMAT = 2  # format 1 had no key
DATABASES = ("mlpipes", "mlflow")  # in the order in which they are copied: predictions name models
_SINGLE = {
    "runs": "run", "models": "model", "versions": "version", "aliases": "alias",
    "predictions": "prediction", "loads": "load", "data set versions": "data set version",
    "data rows": "data row", "checks": "check", "alerts": "alert", "retrainings": "retraining",
    "artifacts": "artifact",
}  # fmt: skip
_RECORDS = {"raw_data._loads", "raw_data._bad_rows", "raw_data._checks", "clean_data._versions"}
MANIFEST, CHECKSUM = "manifest.json", "manifest.sha256"
MOST_FILES = 2_000_000
_HEAD = 1 << 24  # bytes of a manifest that no file explains: rows by table, locations of models
_LONGEST_NAME = 1 << 12
_LINE = 400  # bytes of a member beside its name, each letter of which may take 12 as JSON
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.+!-]{1,100}$")]
Name = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f-\x9f]{0,1000}$")]
KeyId = Annotated[str, Field(pattern=r"^[0-9a-f]{0,64}$")]
Count = Annotated[int, Field(ge=0, lt=2**63)]


def _of_both(row: Mapping[str, Any]) -> Mapping[str, Any]:
    if sorted(row) != sorted(DATABASES):
        raise ValueError("not for both databases")
    return row


_STRICT = ConfigDict(strict=True, extra="forbid")


@dataclass(frozen=True)
class Member:
    """A file in the backup.

    Attributes:
        name: ``databases/<name>.sql`` or ``artifacts/<key>``.
        size: Bytes.
        sha256: The SHA-256 of its content, in hexadecimal digits.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    name: str
    size: Count
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


@dataclass(frozen=True)
class Manifest:
    """The description of a backup, which a restore reads first.

    Attributes:
        project: The name of the data's project.
        runtime: The runtime that it was made on.
        created: When it was made, in UTC (ISO 8601).
        mlpipes: The release that wrote it.
        mlflow: The release's version of MLflow.
        revision: The version of MLflow's tables.
        servers: The versions of the database servers, by database.
        rows: How many rows each table has, by database and ``schema.table``.
        missing: Locations of models that had no file.
        members: All other files in it, in their order.
        model_key: The id of the key that the project signs its models with; empty if there was none.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    project: Name
    runtime: Word
    created: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT[0-9:.+Z-]{5,30}$")]
    mlpipes: Word
    mlflow: Word
    revision: Word | None
    servers: Annotated[Mapping[str, Name], AfterValidator(_of_both)]
    rows: Annotated[Mapping[str, Mapping[str, Count]], AfterValidator(_of_both)]
    missing: tuple[str, ...] = ()
    members: tuple[Member, ...] = field(default=(), repr=False)
    model_key: KeyId = ""

    def artifacts(self) -> dict[str, Member]:
        """Return the artifacts by key."""
        start = "artifacts/"
        return {m.name.removeprefix(start): m for m in self.members if m.name.startswith(start)}

    def to_json(self) -> bytes:
        """Return the manifest as JSON."""
        return (json.dumps({"format": FORMAT, **dataclasses.asdict(self)}, indent=1) + "\n").encode()


class _Header(BaseModel):
    """The fields of every format."""

    format: Count
    mlpipes: Word = "from a newer release"


@dataclass(frozen=True)
class _Written(Manifest):
    """A manifest as it is written in the file."""

    format: Count = FORMAT


def fits(name: str) -> bool:
    """Return whether a file of a backup may have this name."""
    return len(name) <= _LONGEST_NAME and "\0" not in name and _encodes(name)


def _encodes(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def longest(files: Collection[str]) -> int:
    """Return the most bytes that a manifest of these files may have: its reader holds it in memory."""
    return _HEAD + sum(_LINE + 12 * len(name) for name in files)


def from_json(text: bytes, path: Path) -> Manifest:
    """Read a manifest.

    Raises:
        MlpipesError: It is of a newer format, or malformed.
    """
    try:
        header = _Header.model_validate_json(text)
        if header.format > FORMAT:
            raise MlpipesError(
                f"{path} has format {header.format}, and this release reads up to {FORMAT}",
                f"install mlpipes {header.mlpipes} and use it to restore",
            )
        row = vars(TypeAdapter(_Written).validate_json(text)).copy()
    except ValidationError as error:
        location = " -> ".join(map(str, error.errors(include_input=False, include_url=False)[0]["loc"]))
        where = f" ({location})" if location else ""
        raise MlpipesError(f"{path}: its manifest cannot be read{where}", "use another backup file") from None
    del row["format"]
    return Manifest(**row)


def content(rows: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """Return the counts of the main kinds of rows in both databases, by their names for people."""
    mlflow, ours = rows.get("mlflow", {}), rows.get("mlpipes", {})
    return {
        "runs": mlflow.get("public.runs", 0),
        "models": mlflow.get("public.registered_models", 0),
        "versions": mlflow.get("public.model_versions", 0),
        "aliases": mlflow.get("public.registered_model_aliases", 0),
        "predictions": ours.get("serving.predictions", 0),
        "loads": ours.get("raw_data._loads", 0),
        "data set versions": ours.get("clean_data._versions", 0),
        "data rows": sum(rows for table, rows in ours.items() if _holds_data(table)),
        "checks": ours.get("monitoring.checks", 0),
        "alerts": ours.get("monitoring.deliveries", 0),
        "retrainings": ours.get("monitoring.retrainings", 0),
    }


def _holds_data(table: str) -> bool:
    """Return whether a table holds rows of data: of users, or of a data set, but no records of mlpipes."""
    return table.startswith(("raw_data.", "clean_data.")) and table not in _RECORDS


def words(counts: Mapping[str, int]) -> str:
    """Return the counts as a phrase."""
    return ", ".join(
        f"{number} {_SINGLE[name] if number == 1 else name}" for name, number in counts.items() if number
    )
