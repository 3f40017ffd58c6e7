from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlpipes_cli.local_files import atomic_files
from mlpipes_cli.local_files.atomic_files import PRIVATE, Replacement, replacing, write_text


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_old_content_is_there_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with replacing(path) as file:
        file.write(b"new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_content_and_nothing_beside(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(error), replacing(path) as file:
        file.write(b"new")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("wanted", "keeps", "there", "expected"),
    [
        (0o666, False, None, 0o644),
        (PRIVATE, False, None, 0o600),
        (0o666, False, 0o640, 0o644),
        (PRIVATE, False, 0o644, 0o600),
        (PRIVATE, True, None, 0o600),
        (PRIVATE, True, 0o644, 0o644),
    ],
)
@pytest.mark.usefixtures("umask")
def test_the_mode(tmp_path: Path, wanted: int, keeps: bool, there: int | None, expected: int) -> None:
    path = tmp_path / "file"
    if there is not None:
        path.touch()
        path.chmod(there)
    with replacing(path, wanted, keep_mode=keeps):
        assert mode(next(tmp_path.glob(".file.*.new"))) == (0o600 if wanted == PRIVATE else 0o644)
    assert mode(path) == expected


def test_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_text(tmp_path / "file", "x", PRIVATE)
    finally:
        os.umask(before)
    assert mode(tmp_path / "file") == 0o600


def test_a_file_that_waits_under_the_name_beside_is_not_written_into(tmp_path: Path) -> None:
    path, precious = tmp_path / "file", tmp_path / "precious"
    precious.write_text("precious")
    (tmp_path / f".file.{os.getpid()}-{threading.get_native_id()}.new").symlink_to(precious)
    write_text(path, "x", PRIVATE)
    assert precious.read_text() == "precious"
    assert (path.read_text(), path.is_symlink(), mode(path)) == ("x", False, 0o600)


def test_texts_are_utf_8_with_their_own_line_ends(tmp_path: Path) -> None:
    write_text(tmp_path / "file", "ä\r\nb\n", durable=True)
    assert (tmp_path / "file").read_bytes() == "ä\r\nb\n".encode()


def test_a_replacement_is_dropped_or_put(tmp_path: Path) -> None:
    path = tmp_path / "file"
    one = Replacement(path)
    one.file.write(b"one")
    one.drop()
    one.drop()
    assert list(tmp_path.iterdir()) == []
    two = Replacement(path)
    two.file.write(b"two")
    two.put()
    two.drop()
    assert path.read_bytes() == b"two"


def test_threads_that_replace_one_file_leave_one_whole_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    contents = [str(number) * 200_000 for number in range(4)]

    def work(text: str) -> None:
        for _ in range(20):
            write_text(path, text)

    threads = [threading.Thread(target=work, args=(text,)) for text in contents]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        if path.exists():
            assert path.read_text() in contents
    for thread in threads:
        thread.join()
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_written_to_the_end_is_not_put(tmp_path: Path) -> None:
    """A small rest stays in the buffer, and is refused only when the file is put in its place."""
    path = tmp_path / "file"
    path.write_text("old")
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from mlpipes_cli.local_files import atomic_files\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))\n"
        "try: atomic_files.write_text(Path(sys.argv[1]), 'x' * 100)\n"
        "except OSError as error: print(error.strerror)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "File too large"
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_no_file_is_made_where_there_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_text(tmp_path / "none" / "file", "x")
    with pytest.raises(FileNotFoundError):
        atomic_files.sync_folder(tmp_path / "none")
