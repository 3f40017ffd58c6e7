"""A small real backup, damaged at many places: one line each, and nothing of it is held in memory."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import resource
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from backup_help import DATABASES, END, FILES, make

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.lifecycle.transfer import archive_reader
from mlpipes_cli.lifecycle.transfer.archive_reader import check
from mlpipes_cli.lifecycle.transfer.manifest import from_json

Rows = list[tuple[tarfile.TarInfo, bytes]]


def build(path: Path, manifest: bytes | None = None, files: dict[str, bytes] | None = None) -> None:
    """A backup whose checksums all fit, whatever its manifest is."""
    make(path, files)
    with tarfile.open(path) as tar:
        rows = [(one, tar.extractfile(one).read()) for one in tar.getmembers()]  # type: ignore[union-attr]
    text = rows[-2][1] if manifest is None else manifest
    line = f"{hashlib.sha256(text).hexdigest()}  manifest.json\n".encode()
    with tarfile.open(path, "w") as tar:
        for entry, content in [*rows[:-2], (rows[-2][0], text), (rows[-1][0], line)]:
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def said(path: Path) -> str:
    with pytest.raises(MlpipesError) as caught:
        check(path, DATABASES)
    (line,) = caught.value.lines()
    assert line.startswith(str(path))
    return line.removeprefix(str(path))


@pytest.fixture
def whole(tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    path = tmp_path / "b.tar"
    make(path)
    with tarfile.open(path) as tar:
        return path, json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type]


WRONG = [{}, [], None, True, 1.5, -1, 2**63, 2**80, "", "\x1b[2J", "x" * 2000, [[]], {"a": {}}, [1], "\ud800"]


def refused(row: dict[str, Any]) -> str:
    with pytest.raises(MlpipesError) as caught:
        from_json(json.dumps(row).encode(), Path("b.tar"))
    (line,) = caught.value.lines()
    assert "its manifest cannot be read" in line or "has format" in line
    assert "\x1b" not in line
    return line


def test_every_field_has_its_type(whole: tuple[Path, dict[str, Any]]) -> None:
    path, row = whole
    fine = {
        ("revision", "None"),
        ("missing", "[]"),
        ("members", "[]"),
        ("project", "''"),
        ("model_key", "''"),
    }
    for name in row:
        for value in WRONG:
            if (name, repr(value)) in fine:
                assert from_json(json.dumps(row | {name: value}).encode(), path)
            else:
                refused(row | {name: value})
        if name not in ("missing", "members", "model_key"):  # the last stands in no backup of format 1
            refused({k: v for k, v in row.items() if k != name})
    for value in WRONG:
        for name in ("name", "size", "sha256"):
            if (name, value) != ("name", "\x1b[2J") and not (name == "name" and value in ("", "x" * 2000)):
                refused(row | {"members": [row["members"][0] | {name: value}, *row["members"][1:]]})
        refused(row | {"rows": {"mlflow": {"public.runs": value}, "mlpipes": {}}})
        if value != {}:
            refused(row | {"rows": {"mlflow": value, "mlpipes": {}}})
    assert "(revision)" in refused(row | {"revision": {}})
    assert "(more)" in refused(row | {"more": 1})
    assert "(rows -> mlflow -> public.runs)" in refused(
        row | {"rows": {"mlflow": {"public.runs": True}, "mlpipes": {}}}
    )
    build(path, json.dumps(row | {"revision": {}}).encode())
    assert said(path).startswith(": its manifest cannot be read (revision)")
    build(path, json.dumps(row | {"members": [*row["members"], row["members"][0]]}).encode())
    assert "its manifest names a file twice" in said(path)
    for name in ("", "\x1b[2J", "x" * 2000, "../x"):
        build(
            path,
            json.dumps(row | {"members": [*row["members"], row["members"][0] | {"name": name}]}).encode(),
        )
        assert "is missing" in said(path)


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"null", b"{", b"\xff", b"[" * 1_000_000, b'{"a":' * 100_000, b'{"format": 1}', b"1e999",
     b'{"format": ' + b"9" * 5000 + b"}", b" " * (17 << 20)],
    ids=range(11),
)  # fmt: skip
def test_no_manifest_at_all(tmp_path: Path, text: bytes) -> None:
    build(tmp_path / "b.tar", text)
    line = said(tmp_path / "b.tar")
    assert ("manifest.json is too long" if len(text) > 1 << 24 else "its manifest cannot be read") in line


def test_scripts_are_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "b.tar"
    for script, words in {
        b"": "incomplete", b"select 'a;\n" + END: "incomplete", b"commit;\n" + END: "its own COMMIT",
    }.items():  # fmt: skip
        build(path, files=FILES | {"databases/mlflow.sql": script})
        line = said(path)
        assert "databases/mlflow.sql: the database script is damaged" in line
        assert words in line


def test_random_damage_is_one_line_or_does_not_matter(tmp_path: Path) -> None:
    """Bytes flipped, cut out, doubled, zeroed and swapped, in 600 ways."""
    chance, found = random.Random(7), 0
    for name in ("b.tar", "b.tar.gz"):
        path = tmp_path / name
        written = make(path, {n: text[:2000] for n, text in FILES.items() if "pkl" in n} | {
            n: text for n, text in FILES.items() if "pkl" not in n
        })  # fmt: skip
        good = path.read_bytes()
        for _ in range(300):
            content = bytearray(good)
            at, size = chance.randrange(len(content)), chance.choice([1, 8, 100, 512, 1024])
            match chance.randrange(5):
                case 0:
                    content[at] ^= 1 << chance.randrange(8)
                case 1:
                    del content[at : at + size]
                case 2:
                    content[at:at] = content[at : at + size]
                case 3:
                    content[at : at + size] = bytes(len(content[at : at + size]))
                case 4:
                    other = chance.randrange(len(content))
                    content[at : at + 512], content[other : other + 512] = (
                        content[other : other + 512], content[at : at + 512],
                    )  # fmt: skip
            path.write_bytes(content)
            try:
                assert check(path, DATABASES) == written
            except MlpipesError as error:
                assert len(error.lines()) == 1
                assert "\x1b" not in error.lines()[0]
                found += 1
    assert found > 450


def test_garbage_behind_the_end(tmp_path: Path) -> None:
    path = tmp_path / "b.tar"
    for name in ("b.tar", "b.tar.gz"):
        written = make(tmp_path / name)
        good = (tmp_path / name).read_bytes()
        tail = gzip.compress(b"\0" * 2000) if name.endswith("gz") else b"\0" * 2000
        path.write_bytes(good + tail)
        assert check(path, DATABASES) == written
        for garbage in (b"x", b"\n" * 20_000, good):
            path.write_bytes(good + garbage)
            assert "is damaged or not a backup" in said(path)
    path.write_bytes(good[:-8] + bytes(4) + good[-4:])  # the checksum of the whole compressed file
    assert "is damaged or not a backup" in said(path)


def test_out_of_order(tmp_path: Path) -> None:
    path = tmp_path / "b.tar"
    make(path)
    with tarfile.open(path) as tar:
        rows = [(one, tar.extractfile(one).read()) for one in tar.getmembers()]  # type: ignore[union-attr]
    for order in (
        [-2, *range(len(rows) - 2), -1],
        [-1, *range(len(rows) - 1)],
        [*range(len(rows) - 2), -1, -2],
    ):
        with tarfile.open(path, "w") as tar:
            for number in order:
                tar.addfile(rows[number][0], io.BytesIO(rows[number][1]))
        assert "after its end" in said(path)
    with tarfile.open(path, "w") as tar:  # which matters to nobody
        for number in [*reversed(range(len(rows) - 2)), -2, -1]:
            tar.addfile(rows[number][0], io.BytesIO(rows[number][1]))
    assert check(path, DATABASES)


def _header(name: str, kind: bytes, size: int) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.type, entry.size = kind, size
    return entry.tobuf(tarfile.GNU_FORMAT)


BOMBS: dict[str, Callable[[], bytes]] = {
    "a long name": lambda: _header("x", tarfile.GNUTYPE_LONGNAME, 3 << 30),
    "words about a file": lambda: _header("x", tarfile.XHDTYPE, 3 << 30),
    "words about all files": lambda: _header("x", tarfile.XGLTYPE, 3 << 30),
    "an unknown kind": lambda: _header("x", b"Z", 3 << 30),
    "a manifest": lambda: _header("manifest.json", tarfile.REGTYPE, 3 << 30),
    "a checksum": lambda: _header("manifest.sha256", tarfile.REGTYPE, 3 << 30),
    "a script of one line": lambda: _header("databases/mlflow.sql", tarfile.REGTYPE, 3 << 30),
}


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are Linux's")
@pytest.mark.parametrize("name", BOMBS)
def test_little_memory_is_enough(tmp_path: Path, name: str) -> None:
    """Three gigabytes that take three megabytes on the disk."""
    path = tmp_path / "b.tar.gz"
    with gzip.open(path, "wb", 1) as file:
        file.write(BOMBS[name]())
        for _ in range(40):
            file.write(b" " * (1 << 20))
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (300 << 20), before[1]))
    try:
        said(path)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def test_more_files_than_anybody_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_reader, "MOST_FILES", 3)
    make(tmp_path / "b.tar")
    assert "it has more than 3 files" in said(tmp_path / "b.tar")
