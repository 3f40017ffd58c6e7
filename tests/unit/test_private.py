"""Rows and predictions are for the account that wrote them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlpipes_cli import private


@pytest.fixture(autouse=True)
def _open_to_all() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_new_file_is_private_and_one_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    part, path = tmp_path / ".part", tmp_path / "scored.csv"
    for expected in (0o600, 0o644):
        with private.create(part) as file:
            file.write(b"x")
            assert mode(part) == 0o600
        private.put(part, path)
        assert mode(path) == expected
        path.chmod(0o644)  # as somebody does who wants to share it
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_command_left_is_not_written_into(tmp_path: Path) -> None:
    part, secret = tmp_path / ".part", tmp_path / "other"
    secret.write_bytes(b"precious")
    part.symlink_to(secret)
    with private.create(part) as file:
        file.write(b"x")
    assert secret.read_bytes() == b"precious"
    assert (part.read_bytes(), mode(part)) == (b"x", 0o600)


def test_folders_are_closed_those_of_an_earlier_release_too(tmp_path: Path) -> None:
    old = tmp_path / "cache"
    old.mkdir()
    assert mode(private.folder(old)) == 0o700
    assert mode(private.folder(tmp_path / "a" / "b")) == 0o700
