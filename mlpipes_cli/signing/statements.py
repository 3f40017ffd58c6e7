"""What a key says of a model's files: that ``train`` stored them, or that somebody trusts them.

A statement is a JSON object whose ``mac`` is the HMAC of all else in it. That of ``train`` lies in the
model's folder and lists the files, so it goes wherever they go. That of ``mlpipes models trust`` is a tag
of the registered version, is about that version alone, and holds one checksum of all files.
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
_LONGEST = 5000  # characters of a tag that the registry takes
_LIMITS = (1000, 200, 50)  # characters of each text that people give


class Doubtful(Exception):
    """A statement that does not count; in words, why."""


@dataclass(frozen=True)
class Statement:
    """A statement whose MAC is right.

    Attributes:
        digest: Of the files.
        files: Them; None where only the digest was kept.
        who: Who trusts them; empty for what was trained.
        when: Since when, ISO 8601; empty for what was trained.
        why: The reason that was given.
    """

    digest: str
    files: tuple[ModelFile, ...] | None = None
    who: str = ""
    when: str = ""
    why: str = ""

    def want(self, found: Sequence[ModelFile]) -> None:
        """Make sure that these are the files.

        Raises:
            Doubtful: They are not.
        """
        if digest(found) == self.digest:
            return
        what = difference(self.files, found) if self.files is not None else "its files were changed"
        since = f"{self.who} trusted it on {self.when[:10]}" if self.who else "it was signed"
        raise Doubtful(f"has changed since {since}: {what}")


def seal(folder: Path, key: Key) -> None:
    """Sign all files of a model that was made here; nothing of it may change any more.

    Raises:
        MlpipesError: The folder holds something that is no plain file.
        OSError: The signature cannot be written.
    """
    text = _signed({"by": "train", "files": listed(folder)}, key)
    (folder / SIGNATURE).write_text(text, encoding="utf-8")


def trust(
    found: Sequence[ModelFile], key: Key, model: str, version: int, *, who: str, when: str, why: str
) -> str:
    """The value of the tag by which somebody trusts the files of a version."""
    body = {"by": "trust", "model": model, "version": version, "digest": digest(found), "when": when}
    for limit in _LIMITS:  # a character takes up to six as JSON
        text = _signed({**body, "who": who[:limit], "why": why[:limit]}, key)
        if len(text) <= _LONGEST:
            break
    return text


def verified(text: str | bytes, key: Key, model: str, version: int) -> Statement:
    """A statement, if it is of this key and about this version.

    Raises:
        Doubtful: It is not.
    """
    try:
        told = json.loads(text)
        body = {name: value for name, value in told.items() if name != "mac"}
        mac, by = str(told["mac"]), str(told["key"])
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
    """The same bytes for the same content, whatever wrote it."""
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()


def sealed(folder: Path, key: Key) -> None:
    """Make sure that a folder's files are those that ``train`` signed.

    Raises:
        Doubtful: They are not.
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
