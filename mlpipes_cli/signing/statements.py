"""Signed statements about a model's files: ``train`` stored them, or a user trusts them.

A statement is a JSON object whose ``mac`` is the HMAC of all its other fields. The statement of ``train`` is
stored in the model's folder and lists the files, so it is copied along with them. The statement of ``mlpipes
models trust`` is a tag of the registered version, applies to that version alone, and holds one checksum of
all files.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.signing.files import SIGNATURE, ModelFile, difference, digest, listed
from mlpipes_cli.signing.keys import Key

TAG = "mlpipes.trust"  # of a registered version
_FORMAT = 1
_LONGEST = 5000  # characters; the registry's limit for a tag
_LIMITS = (1000, 200, 50)  # characters of each text that a user gives


class Doubtful(Exception):
    """A statement is not valid; the message says why."""


@dataclass(frozen=True)
class Statement:
    """A statement whose MAC is valid.

    Attributes:
        digest: The checksum of the files.
        files: The files; None if only the digest was kept.
        who: Who trusts the files; empty for a trained model.
        when: Since when, ISO 8601; empty for a trained model.
        why: The given reason.
    """

    digest: str
    files: tuple[ModelFile, ...] | None = None
    actor: str = ""
    when: str = ""
    why: str = ""

    def want(self, found: Sequence[ModelFile]) -> None:
        """Check that these files are the ones of the statement.

        Raises:
            Doubtful: The files differ.
        """
        if digest(found) == self.digest:
            return
        what = difference(self.files, found) if self.files is not None else "its files were changed"
        since = f"{self.actor} trusted it on {self.when[:10]}" if self.actor else "it was signed"
        raise Doubtful(f"has changed since {since}: {what}")


def seal(folder: Path, key: Key) -> None:
    """Sign all files of a model that was trained here; they must not change afterwards.

    Raises:
        MlpipesError: The folder holds something other than regular files and folders.
        OSError: The signature cannot be written.
    """
    text = _signed({"by": "train", "files": listed(folder)}, key)
    (folder / SIGNATURE).write_text(text, encoding="utf-8")


def trust(
    found: Sequence[ModelFile], key: Key, model: str, version: int, *, actor: str, when: str, why: str
) -> str:
    """Return the value of the tag by which a user trusts the files of a version."""
    body = {"by": "trust", "model": model, "version": version, "digest": digest(found), "when": when}
    for limit in _LIMITS:  # JSON takes up to six characters for one
        text = _signed({**body, "who": actor[:limit], "why": why[:limit]}, key)
        if len(text) <= _LONGEST:
            break
    return text


def verified(text: str | bytes, key: Key, model: str, version: int) -> Statement:
    """Return the statement if this key signed it and it is about this version.

    Raises:
        Doubtful: The statement is not valid.
    """
    try:
        signed = json.loads(text)
        body = {name: value for name, value in signed.items() if name != "mac"}
        mac, by = str(signed["mac"]), str(signed["key"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Doubtful("has an unreadable signature") from None
    if by != key.id:
        raise Doubtful(f"was signed with another key ({by[:12]!r}; this project's is {key.id!r})")
    if not hmac.compare_digest(key.mac(_canonical(body)).encode(), mac.encode()):
        raise Doubtful("has an invalid signature")
    if body["format"] != _FORMAT:
        raise Doubtful("was signed by a newer release of mlpipes")
    if body["by"] == "train":
        files = tuple(ModelFile(*file) for file in body["files"])
        return Statement(digest(files), files)
    if (body["model"], body["version"]) != (model, version):
        raise Doubtful(f"has the signature of version {body['version']} of {body['model']!r}")
    return Statement(body["digest"], None, body["who"], body["when"], body["why"])


def _signed(body: Mapping[str, Any], key: Key) -> str:
    whole = {"format": _FORMAT, "key": key.id, **body}
    return json.dumps({**whole, "mac": key.mac(_canonical(whole))}, separators=(",", ":"))


def _canonical(body: Mapping[str, Any]) -> bytes:
    """Return the same bytes for the same content, whichever program wrote it."""
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()


def sealed(folder: Path, key: Key) -> None:
    """Check that a folder's files are the ones that ``train`` signed.

    Raises:
        Doubtful: They differ, or there is no valid signature.
    """
    try:
        text = (folder / SIGNATURE).read_bytes()
    except FileNotFoundError:
        raise Doubtful("is not signed by this project") from None
    statement = verified(text, key, "", 0)
    statement.want(_plain(folder))


def _plain(folder: Path) -> tuple[ModelFile, ...]:
    try:
        return listed(folder)
    except MlpipesError as error:
        raise Doubtful(f"cannot be checked: {error.reason}") from None
