"""Reads a backup file; all of it is checked before anything is done with it."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Self, cast

from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.lifecycle.transfer.archive_writer import Hashing
from mlpipes_cli.lifecycle.transfer.manifest import (
    CHECKSUM,
    DATABASES,
    MANIFEST,
    MOST_FILES,
    Manifest,
    Member,
    fits,
    from_json,
    longest,
)
from mlpipes_cli.ports.dumps import Databases

_CHUNK = 1 << 20
_HEADER = 1 << 16  # bytes of a member's long name and other extended headers
_CHECKSUM = 1 << 10
_SMALL = (MANIFEST, CHECKSUM)
_SCRIPTS = tuple(f"databases/{name}.sql" for name in DATABASES)


def check(path: Path, databases: Databases, advance: Callable[[int], None] = lambda size: None) -> Manifest:
    """Read a backup file from beginning to end: every checksum, every field, and the databases' scripts.

    Only one line for each file is held in memory, and a manifest no longer than these lines explain.

    Args:
        path: The backup file.
        databases: Checks the databases' scripts.
        advance: Called with the number of further bytes read.

    Raises:
        UsageError: There is no such file, or it is not a backup.
        MlpipesError: It is damaged, incomplete, or of a newer format.
    """
    seen: dict[str, Member] = {}
    kept = dict.fromkeys(_SMALL, b"")
    with _opened(path) as members:
        for name, content in members:
            if name in seen or CHECKSUM in seen or (MANIFEST in seen and name != CHECKSUM):
                raise _damaged(path, f"{name} occurs twice or after its end")
            if len(seen) > MOST_FILES:
                raise _damaged(path, f"it has more than {MOST_FILES} files")
            source = Hashing(cast(BinaryIO, _CountedContent(content, advance)))
            if name in _SMALL:
                limit = _CHECKSUM if name == CHECKSUM else longest(seen)
                kept[name] = source.read(limit + 1)
                if len(kept[name]) > limit:
                    raise _damaged(path, f"{name} is too long")
            else:
                _read_whole(path, name, source, databases)
            seen[name] = Member(name, source.size, source.sha256)
    if CHECKSUM not in seen or MANIFEST not in seen:
        raise _damaged(path, "its end is missing")
    if kept[CHECKSUM].decode(errors="replace").split()[:1] != [hashlib.sha256(kept[MANIFEST]).hexdigest()]:
        raise _damaged(path, "the checksum of its manifest does not match")
    manifest = from_json(kept[MANIFEST], path)
    _compare(path, manifest, seen)
    return manifest


def _read_whole(path: Path, name: str, source: Hashing, databases: Databases) -> None:
    content = cast(BinaryIO, source)
    try:
        reader = databases.examined(content) if name in _SCRIPTS else content
        while reader.read(_CHUNK):
            pass
    except _Unreadable:
        raise
    except MlpipesError as error:
        raise _damaged(path, f"{name}: {error.reason}") from None


def _compare(path: Path, manifest: Manifest, seen: dict[str, Member]) -> None:
    wanted = {member.name: member for member in manifest.members}
    if len(wanted) < len(manifest.members):
        raise _damaged(path, "its manifest names a file twice")
    for name in _SCRIPTS:
        if name not in wanted:
            raise _damaged(path, f"{name} is missing")
    for name, member in wanted.items():
        if name not in seen:
            raise _damaged(path, f"{name} is missing")
        if seen[name] != member:
            raise _damaged(path, f"{name} does not match its checksum")
    extra = [name for name in seen if name not in wanted and name not in _SMALL]
    if extra:
        raise _damaged(path, f"{extra[0]} is not in its manifest")


class _CountedContent:
    """File content that reports how much of it was read."""

    def __init__(self, content: BinaryIO, advance: Callable[[int], None]) -> None:
        self._content, self._advance = content, advance

    def read(self, size: int = -1) -> bytes:
        chunk = self._content.read(size)
        self._advance(len(chunk))
        return chunk


@contextlib.contextmanager
def contents(path: Path, manifest: Manifest) -> Iterator[Iterator[tuple[Member, BinaryIO]]]:
    """Read the files of a checked backup again, in order; each that is read is checked once more.

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
    """Yield the names and contents of a tar file, in one pass."""
    if not path.is_file():
        raise UsageError(f"{path}: no such file", "give a file made by `mlpipes backup`")
    with contextlib.ExitStack() as stack:
        with _reported(path):
            file: BinaryIO = stack.enter_context(path.open("rb"))
            compressed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            if compressed:
                file = stack.enter_context(cast(BinaryIO, gzip.GzipFile(fileobj=file)))
            tar = stack.enter_context(tarfile.open(fileobj=file, mode="r|", bufsize=_CHUNK, tarinfo=_Bounded))
        yield _members(tar, path)


def _members(tar: tarfile.TarFile, path: Path) -> Iterator[tuple[str, BinaryIO]]:
    while True:
        with _reported(path):
            entry = tar.next()
        if entry is None:
            break
        content = tar.extractfile(entry) if entry.isreg() and not entry.issparse() else None
        if content is None or not _is_ours(entry.name):
            raise _damaged(path, f"{entry.name!r} does not belong in a backup")
        yield entry.name, cast(BinaryIO, _Content(cast(BinaryIO, content), path))
        tar.members.clear()  # type: ignore[attr-defined]  # or it would remember each of them
    with _reported(path):
        left = cast(BinaryIO, tar.fileobj)
        while rest := left.read(_CHUNK):  # to the end, where a compressed file has its own checksum
            if rest.strip(b"\0"):
                raise _damaged(path, "data follows its end")


class _Bounded(tarfile.TarInfo):
    """A member's header, with a limit on long names and extended headers, which are held in memory."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        found = super().frombuf(buf, encoding, errors)
        words = found.type not in tarfile.SUPPORTED_TYPES or found.type in (
            tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.GNUTYPE_SPARSE,
        )  # fmt: skip
        if found.size < 0 or (words and found.size > _HEADER):
            raise tarfile.ReadError("a header is too long")
        return found


class _Content:
    """A member's content; errors in the file are reported as such."""

    def __init__(self, content: BinaryIO, path: Path) -> None:
        self._content, self._path = content, path

    def read(self, size: int = -1) -> bytes:
        with _reported(self._path):
            return self._content.read(size)


@contextlib.contextmanager
def _reported(path: Path) -> Iterator[None]:
    """Report every error of the file in one line."""
    try:
        yield
    except (EOFError, zlib.error, tarfile.TarError, gzip.BadGzipFile, ValueError, OverflowError) as error:
        raise _damaged(path, str(error)) from None
    except OSError as error:
        raise _Unreadable(f"{path}: cannot be read ({error.strerror or error})", "check the disk") from None


def _is_ours(name: str) -> bool:
    """Return whether a name is one that mlpipes writes; none leads out of its folder."""
    folder, _, key = name.partition("/")
    if folder == "artifacts":
        return fits(name) and all(part not in ("", ".", "..") for part in key.split("/"))
    return name in (*_SMALL, *_SCRIPTS)


class _Unreadable(MlpipesError):
    """The file cannot be read to its end, or is not a backup."""


def _damaged(path: Path, what: str) -> MlpipesError:
    return _Unreadable(f"{path} is damaged or not a backup: {what}", "use another backup")
