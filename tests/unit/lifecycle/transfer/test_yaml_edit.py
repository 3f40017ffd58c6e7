"""One value of a YAML file changes, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlpipes_cli.errors import UsageError
from mlpipes_cli.lifecycle.transfer.yaml_edit import edited, read, write


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "project: p\nruntime: embedded   # why\nstack: {}\n",
            "project: p\nruntime: docker   # why\nstack: {}\n",
        ),
        ("runtime: 'embedded'\r\nproject: p\r\n", "runtime: docker\r\nproject: p\r\n"),
        ("{project: p, runtime: embedded}", "{project: p, runtime: docker}"),
        ('# ä ö 😀\nruntime: "remote"\n', "# ä ö 😀\nruntime: docker\n"),
        ("serving: {runtime: x}\nruntime: embedded", "serving: {runtime: x}\nruntime: docker"),
    ],
)
def test_only_the_value_changes(before: str, after: str) -> None:
    assert edited(before, ["runtime"], "docker", "f") == after


def test_deeper_down() -> None:
    text = "stack:\n  object_store: {engine: minio, port: 9000}\n"
    assert "{engine: rustfs, port: 9000}" in edited(text, ["stack", "object_store", "engine"], "rustfs", "f")


@pytest.mark.parametrize(
    "text", ["project: p\n", "runtime: {a: b}\n", "runtime:\nproject: p\n", "[]", "runtime: docker"]
)
def test_what_cannot_be_changed_is_said(text: str) -> None:
    with pytest.raises(UsageError, match=r"f: .*runtime"):
        edited(text, ["runtime"], "docker", "f")


def test_a_file_keeps_mode_line_ends_and_its_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real.yaml", tmp_path / "mlpipes.yaml"
    real.write_bytes(b"a: 1\r\n")
    real.chmod(0o640)
    link.symlink_to(real)
    write(link, read(link).replace("1", "2"))
    assert real.read_bytes() == b"a: 2\r\n"
    assert real.stat().st_mode & 0o777 == 0o640
    assert link.is_symlink()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["mlpipes.yaml", "real.yaml"]
