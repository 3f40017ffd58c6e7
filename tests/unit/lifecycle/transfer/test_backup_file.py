"""The backup file: whole or not at all, and every kind of damage found before anything is done."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import random
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from backup_help import DATABASES, FILES, make

from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.lifecycle.transfer.archive_reader import check, contents
from mlpipes_cli.lifecycle.transfer.archive_writer import checked_name, writing


def rewrite(path: Path, change: Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]) -> None:
    """Take a file apart and put it together again by other means."""
    with tarfile.open(path) as tar:
        rows = [(one, tar.extractfile(one).read()) for one in tar.getmembers()]  # type: ignore[union-attr]
    change(rows)
    with tarfile.open(path, "w") as tar:
        for entry, content in rows:
            entry.size = len(content) if entry.isreg() else 0
            tar.addfile(entry, io.BytesIO(content))


@pytest.mark.parametrize("name", ["b.tar", "b.tar.gz", "b.tgz"])
def test_what_goes_in_comes_out(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    written = make(path)
    assert path.stat().st_mode & 0o777 == 0o600
    found = check(path, DATABASES)
    assert found == written
    assert set(found.artifacts()) == {n.removeprefix("artifacts/") for n in FILES if n.startswith("art")}
    with contents(path, found) as members:
        assert {member.name: content.read() for member, content in members} == FILES
    assert [one.name for one in tmp_path.iterdir()] == [name]


def test_other_tools_read_it(tmp_path: Path) -> None:
    path = tmp_path / "b.tar"
    make(path)
    subprocess.run(["tar", "xf", path, "-C", tmp_path], check=True)
    assert (tmp_path / "databases/mlflow.sql").read_bytes() == FILES["databases/mlflow.sql"]
    subprocess.run(["sha256sum", "-c", "--quiet", "manifest.sha256"], cwd=tmp_path, check=True)


@pytest.mark.parametrize("name", ["b.tar", "b.tar.gz"])
def test_no_prefix_of_a_backup_is_one(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    make(path)
    whole = path.read_bytes()
    data = len(whole.rstrip(b"\0")) if name == "b.tar" else len(whole)
    for size in [0, 1, 100, 511, 512, 513, data // 3, data // 2, data - 600, data - 80]:
        path.write_bytes(whole[:size])
        with pytest.raises(MlpipesError) as caught:
            check(path, DATABASES)
        assert str(path) in caught.value.reason, size


@pytest.mark.parametrize("name", ["b.tar", "b.tar.gz"])
def test_a_flipped_bit_is_found_or_does_not_matter(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    written = make(path)
    whole = bytearray(path.read_bytes())
    spots = random.Random(1)
    found = 0
    for _ in range(400):
        spot, bit = spots.randrange(len(whole)), 1 << spots.randrange(8)
        whole[spot] ^= bit
        path.write_bytes(whole)
        try:
            assert check(path, DATABASES) == written, f"byte {spot}"  # padding between files
        except MlpipesError:
            found += 1
        whole[spot] ^= bit
    assert found > 200


def test_every_byte_of_content_counts(tmp_path: Path) -> None:
    path = tmp_path / "b.tar"
    make(path)
    whole = path.read_bytes()
    for content in (b"select 1;\nselect", b"long names", b'"serving.predictions": 7', b'"size": 76800'):
        spot = whole.index(content)
        damaged = bytearray(whole)
        damaged[spot + len(content) - 1] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(MlpipesError, match="damaged"):
            check(path, DATABASES)


@pytest.mark.parametrize(
    "name",
    ["../evil", "/etc/evil", "artifacts/../../evil", "artifacts//x", "artifacts/./x", "artifacts/", "other/x",
     "databases/other.sql", "databases/../x"],
)  # fmt: skip
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "b.tar"
    make(path, FILES | {name: b"x"})
    with pytest.raises(MlpipesError, match="does not belong"):
        check(path, DATABASES)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_only_plain_files_are_taken(tmp_path: Path, kind: bytes) -> None:
    path = tmp_path / "b.tar"
    make(path)

    def change(rows: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        entry = tarfile.TarInfo("artifacts/link")
        entry.type, entry.linkname = kind, "/etc/passwd"
        rows.insert(2, (entry, b""))

    rewrite(path, change)
    with pytest.raises(MlpipesError, match="does not belong"):
        check(path, DATABASES)


def test_missing_doubled_and_foreign_members(tmp_path: Path) -> None:
    path = tmp_path / "b.tar"

    def complains(change: Callable[[list[tuple[tarfile.TarInfo, bytes]]], None], words: str) -> None:
        make(path)
        rewrite(path, change)
        with pytest.raises(MlpipesError, match=words):
            check(path, DATABASES)

    complains(lambda rows: rows.pop(2), "model.pkl is missing")
    complains(lambda rows: rows.insert(1, rows[0]), "twice")
    complains(lambda rows: rows.pop(-1), "its end is missing")
    complains(lambda rows: rows.append(rows.pop(0)), "after its end")
    complains(lambda rows: rows.insert(0, (tarfile.TarInfo("artifacts/new"), b"x")), "not in its manifest")
    make(path, {name: text for name, text in FILES.items() if "mlflow.sql" not in name})
    with pytest.raises(MlpipesError, match=r"databases/mlflow.sql is missing"):
        check(path, DATABASES)


def test_a_newer_format_names_the_release(tmp_path: Path) -> None:
    path = tmp_path / "b.tar"
    make(path)

    def change(rows: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        text = rows[-2][1].replace(b'"format": 2', b'"format": 3')
        rows[-2] = (rows[-2][0], text)
        rows[-1] = (rows[-1][0], f"{hashlib.sha256(text).hexdigest()}  manifest.json\n".encode())

    rewrite(path, change)
    with pytest.raises(MlpipesError, match=r"format 3.*reads up to 2") as caught:
        check(path, DATABASES)
    assert "install mlpipes 1.0" in caught.value.hint


@pytest.mark.parametrize(
    "text", [b"", b"hello", gzip.compress(b"hello", mtime=0), b"\x1f\x8bnonsense", b"\0" * 10240]
)
def test_anything_else_is_no_backup(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "b.tar"
    path.write_bytes(text)
    with pytest.raises(MlpipesError, match="damaged or not a backup"):
        check(path, DATABASES)
    with pytest.raises(UsageError, match="no such file"):
        check(tmp_path / "none.tar", DATABASES)


def test_a_file_that_changes_after_the_check_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "b.tar"
    written = make(path)
    whole = bytearray(path.read_bytes())
    whole[whole.index(b"select 2;")] ^= 1
    path.write_bytes(whole)
    with pytest.raises(MlpipesError, match="changed while"), contents(path, written) as members:
        for _, content in members:
            content.read()


@pytest.mark.parametrize("size", [5, 50])
def test_a_source_of_another_size_fails_and_leaves_the_old_file(tmp_path: Path, size: int) -> None:
    path = tmp_path / "b.tar"
    path.write_bytes(b"old")
    with pytest.raises(MlpipesError, match="changed while it was copied"), writing(path) as file:
        file.add("artifacts/x", io.BytesIO(b"0123456789"), size)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_backup_left_is_removed_and_a_living_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "b.tar"
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True)
    stale = tmp_path / f".b.tar.{int(done.stdout)}-1.new"
    alive = tmp_path / f".b.tar.{os.getppid()}-1.new"
    stale.write_bytes(b"x")
    alive.write_bytes(b"x")
    make(path)
    assert not stale.exists()
    assert alive.exists()


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    class Full(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(28, "No space left on device")

    with pytest.raises(MlpipesError, match="No space left") as caught, writing(tmp_path / "b.tar") as file:
        file.add("artifacts/x", Full(), 10)
    assert len(caught.value.lines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["b", "b.zip", ".tar", "none/b.tar", "."])
def test_places_that_are_none_for_a_backup(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        checked_name(tmp_path / name)
