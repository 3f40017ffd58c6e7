"""Reading a backup file: all of it is checked before anything is done with it."""

from __future__ import annotations

import contextlib
import hashlib
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.lifecycle.carrying.manifest import CHECKSUM, DATABASES, MANIFEST, Manifest, Member, from_json
from mlpipes_cli.lifecycle.carrying.writing import Hashing

_CHUNK = 1 << 20


def check(path: Path, advance: Callable[[int], None] = lambda size: None) -> Manifest:
    """Read a backup file from beginning to end and compare every checksum.

    Args:
        path: The file.
        advance: Told of so many bytes more.

    Raises:
        UsageError: There is no such file, or it is no backup.
        MlpipesError: It is damaged, incomplete, or of a newer format.
    """
    seen: dict[str, Member] = {}
    text, checksum = b"", b""
    with _opened(path) as members:
        for name, content in members:
            if name in seen or CHECKSUM in seen:
                raise _damaged(path, f"{name} stands in it twice or after its end")
            source = Hashing(content)
            kept = b"".join(_pieces(source, advance, keep=name in (MANIFEST, CHECKSUM)))
            text, checksum = (kept if name == MANIFEST else text), (kept if name == CHECKSUM else checksum)
            seen[name] = Member(name, source.size, source.sha256)
    if CHECKSUM not in seen or MANIFEST not in seen:
        raise _damaged(path, "its end is missing")
    if checksum.decode(errors="replace").split()[:1] != [hashlib.sha256(text).hexdigest()]:
        raise _damaged(path, "its manifest has another checksum")
    manifest = from_json(text, path)
    _compare(path, manifest, seen)
    return manifest


def _compare(path: Path, manifest: Manifest, seen: dict[str, Member]) -> None:
    wanted = {member.name: member for member in manifest.members}
    for name in (f"databases/{one}.sql" for one in DATABASES):
        if name not in wanted:
            raise _damaged(path, f"{name} is missing")
    for name, member in wanted.items():
        if name not in seen:
            raise _damaged(path, f"{name} is missing")
        if seen[name] != member:
            raise _damaged(path, f"{name} has another checksum")
    extra = [name for name in seen if name not in wanted and name not in (MANIFEST, CHECKSUM)]
    if extra:
        raise _damaged(path, f"{extra[0]} is not in its manifest")


def _pieces(source: Hashing, advance: Callable[[int], None], *, keep: bool) -> Iterator[bytes]:
    while piece := source.read(_CHUNK):
        advance(len(piece))
        if keep:
            yield piece


@contextlib.contextmanager
def contents(path: Path, manifest: Manifest) -> Iterator[Iterator[tuple[Member, BinaryIO]]]:
    """The files of a checked backup again, one after the other, each checked once more if it is read.

    Raises:
        MlpipesError: The file has changed since.
    """
    wanted = {member.name: member for member in manifest.members}

    def each(members: Iterator[tuple[str, BinaryIO]]) -> Iterator[tuple[Member, BinaryIO]]:
        for name, content in members:
            if name in wanted:
                source = Hashing(content)
                yield wanted[name], cast(BinaryIO, source)
                if source.size and (source.size, source.sha256) != (wanted[name].size, wanted[name].sha256):
                    raise _damaged(path, f"{name} changed while it was restored")

    with _opened(path) as found:
        yield each(found)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Iterator[tuple[str, BinaryIO]]]:
    """The names and contents of a tar file, read in one go."""
    if not path.is_file():
        raise UsageError(f"{path}: no such file", "name a file that `mlpipes backup` made")
    try:
        with path.open("rb") as file:
            compressed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            with tarfile.open(fileobj=file, mode="r|gz" if compressed else "r|", bufsize=_CHUNK) as tar:
                yield _members(tar, path)
    except tarfile.ReadError as error:
        raise _damaged(path, str(error)) from None
    except (EOFError, zlib.error, tarfile.TarError) as error:
        raise _damaged(path, str(error)) from None
    except OSError as error:
        raise MlpipesError(f"{path}: cannot be read ({error.strerror or error})", "check the disk") from None


def _members(tar: tarfile.TarFile, path: Path) -> Iterator[tuple[str, BinaryIO]]:
    while entry := tar.next():
        content = tar.extractfile(entry) if entry.isreg() and not entry.issparse() else None
        if content is None or not _is_ours(entry.name):
            raise _damaged(path, f"{entry.name!r} does not belong into a backup")
        yield entry.name, cast(BinaryIO, content)
        tar.members.clear()  # type: ignore[attr-defined]  # or it would remember each of them


def _is_ours(name: str) -> bool:
    """Whether a name is one that we write; none leads out of the folder that it is meant for."""
    folder, _, key = name.partition("/")
    if folder == "artifacts":
        return "\0" not in key and all(part not in ("", ".", "..") for part in key.split("/"))
    return name in (MANIFEST, CHECKSUM, *(f"databases/{one}.sql" for one in DATABASES))


def _damaged(path: Path, what: str) -> MlpipesError:
    return MlpipesError(f"{path} is damaged or no backup: {what}", "nothing was touched; take another backup")
