"""Opens files as plain bytes of UTF-8: decompressed, and in UTF-8 whatever their encoding is."""

from __future__ import annotations

import bz2
import codecs
import contextlib
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, BinaryIO

from mlpipes_cli.data.readers import encodings
from mlpipes_cli.data.readers.unreadable import Unreadable

ENDS = (".gz", ".bz2", ".xz", ".zst", ".zip")  # of names of compressed files
ERRORS = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError)
_NAMES = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "zstd", ".zip": "zip"}
_UNPACKED, _TIMES = 64 * 2**20, 200  # bytes to which a compressed file may expand, or times its own size
_BLOCK = 1 << 18


def compression(name: str) -> str:
    """Return the end of the name of a compressed file, in lower case, or an empty string."""
    return next((end for end in ENDS if name.lower().endswith(end)), "")


def kind(name: str) -> str:
    """Return the extension of a file's name without that of its compression, in lower case."""
    inner = name.lower().removesuffix(compression(name))
    return Path(inner).suffix


class Plain(io.RawIOBase):
    """A stream that can go back to its beginning, by being opened again.

    Args:
        opening: Opens it.
        most: The most bytes that it may have; None for any number.
        packed: The name of its compression, if it has one.
    """

    def __init__(self, opening: Callable[[], Any], most: int | None = None, packed: str = "") -> None:
        self._opening, self._most, self._packed = opening, most, packed
        self._raw, self._at = self._opened(), 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to the beginning, or stay; nothing else can be done."""
        if whence == 0 and offset == 0 and self._at:
            self._raw.close()
            self._raw, self._at = self._opened(), 0
        elif (offset, whence) not in ((self._at, 0), (0, 1)):
            raise io.UnsupportedOperation("seek")
        return self._at

    def _opened(self) -> Any:
        with self._complete():
            return self._opening()

    @contextlib.contextmanager
    def _complete(self) -> Iterator[None]:
        try:
            yield
        except ERRORS as error:
            if not self._packed or isinstance(error, (FileNotFoundError, PermissionError)):
                raise
            raise Unreadable(f"is not a complete {self._packed} file ({error})") from None

    def readinto(self, buffer: Any) -> int:
        with self._complete():
            content = self._raw.read(len(buffer))
        self._at += len(content)
        if self._most is not None and self._at > self._most:
            raise Unreadable(
                f"unpacks to more than {self._most >> 20} MB, over {_TIMES} times its size; unpack it first"
            )
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _Recoded:
    """Bytes of another encoding, read as UTF-8."""

    def __init__(self, raw: BinaryIO, encoding: str) -> None:
        self._raw, self._encoding = raw, encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._left = b""

    def read(self, size: int) -> bytes:
        while not self._left:
            block = self._raw.read(_BLOCK)
            try:
                self._left = self._decoder.decode(block, final=not block).encode()
            except UnicodeError as error:
                said = error.reason if isinstance(error, UnicodeDecodeError) else str(error)
                raise Unreadable(f"is not {self._encoding} ({said}); set another `encoding`") from None
            if not block:
                break
        found, self._left = self._left[:size], self._left[size:]
        return found

    def close(self) -> None:
        self._raw.close()


def open_bytes(path: Path) -> BinaryIO:
    """Open a file, decompressed if its name says that it is compressed.

    Raises:
        Unreadable: It is not such a file; or, on reading, it expands beyond the limit.
        OSError: It cannot be opened.
    """
    end = compression(path.name)
    if not end:
        return path.open("rb")
    most = max(_UNPACKED, _TIMES * path.stat().st_size)
    openings: dict[str, Callable[[], Any]] = {
        ".gz": partial(gzip.open, path, "rb"),
        ".bz2": partial(bz2.open, path, "rb"),
        ".xz": partial(lzma.open, path, "rb"),
        ".zst": lambda: _zst(path),
        ".zip": lambda: _only_member(path),
    }
    return io.BufferedReader(Plain(openings[end], most, _NAMES[end]), 1 << 16)


def _zst(path: Path) -> Any:
    import pyarrow as pa

    return pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")


def member(path: Path) -> zipfile.ZipInfo:
    """Return the only file of a zip archive.

    Raises:
        Unreadable: It holds none or several, or an encrypted one.
    """
    with zipfile.ZipFile(path) as archive:
        found = [one for one in archive.infolist() if not one.is_dir() and not _of_a_finder(one.filename)]
    if len(found) != 1:
        names = ", ".join(one.filename for one in found[:3])
        said = f"holds {len(found)} files ({names}, ...)" if found else "holds no file"
        raise Unreadable(f"the archive {said}; give one with a single file")
    if found[0].flag_bits & 1:
        raise Unreadable("the archive is encrypted; unpack it first")
    return found[0]


def _of_a_finder(name: str) -> bool:
    return name.startswith("__MACOSX/") or name.rsplit("/", 1)[-1].startswith("._")


def _only_member(path: Path) -> Any:
    return zipfile.ZipFile(path).open(member(path))


def open_text(path: Path, encoding: str | None = None) -> BinaryIO:
    """Open a text file as bytes of UTF-8, with or without a byte order mark.

    Args:
        path: The file.
        encoding: Its encoding; inferred if not given.

    Raises:
        Unreadable: It has another format or encoding; also on reading.
        OSError: It cannot be opened.
    """
    name = encoding or encoding_of(path)
    if _is_utf8(name):
        return open_bytes(path)
    return io.BufferedReader(Plain(lambda: _Recoded(open_bytes(path), name)), 1 << 16)


def _is_utf8(name: str) -> bool:
    encodings.check(name)
    return codecs.lookup(name).name in {"utf-8", "utf-8-sig", "ascii"}


def encoding_of(path: Path) -> str:
    """Return the encoding of a text file, inferred from all its bytes.

    Raises:
        Unreadable: It has an unknown encoding.
        OSError: It cannot be read.
    """
    stat = path.stat()
    return _encoding_of(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=256)
def _encoding_of(path: Path, _changed: int, _size: int) -> str:
    with open_bytes(path) as raw:
        return encodings.infer(raw)


@contextlib.contextmanager
def unchanged(path: Path | None) -> Iterator[None]:
    """Check that a file is at the end what it was at the beginning; a file that is gone is read whole.

    Raises:
        Unreadable: Another program wrote to it.
    """
    before = _state(path)
    yield
    after = _state(path)
    if before != after and None not in (before, after):
        raise Unreadable("has changed while it was read; wait until it is complete, and try again")


def _state(path: Path | None) -> tuple[int, int] | None:
    try:
        found = None if path is None else path.stat()
    except OSError:
        return None
    return None if found is None else (found.st_size, found.st_mtime_ns)


def not_opened(error: BaseException) -> Unreadable:
    """Describe why a file cannot be opened or decompressed."""
    if isinstance(error, FileNotFoundError):
        return Unreadable("no such file")
    if isinstance(error, PermissionError):
        return Unreadable("permission denied; check the file's mode")
    if isinstance(error, (gzip.BadGzipFile, EOFError, zlib.error)):
        return Unreadable(f"is not a complete gzip file ({error})")
    return Unreadable(((isinstance(error, OSError) and error.strerror) or str(error)).lower())
