"""Following the registry: swaps, versions that do not load, aliases that come and go."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import serving_help
import signing_help
from serving_help import Silent

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports import AliasedVersion
from mlpipes_cli.server.http.api_error import ApiError
from mlpipes_cli.server.models.copies import Copies
from mlpipes_cli.server.models.served_models import AliasFollower, ServedModels, from_folder
from mlpipes_cli.server.settings import ServerSettings
from mlpipes_cli.signing import files, statements
from mlpipes_cli.signing.vault import Untrusted, Vault

FOREIGN, CHANGED = 4, 5  # versions: nobody signed it; one byte is another than what was signed


class Shelf:
    """A registry whose versions are folders."""

    def __init__(self, versions: dict[int, Path]) -> None:
        self.versions, self.aliases = versions, {"production": 1}
        self.tagged: dict[int, dict[str, str]] = {}
        self.copied: list[int] = []
        self.away = False

    def names(self) -> Sequence[str]:
        return ["people"]

    def published(self, name: str) -> AliasedVersion | None:
        if self.away:
            raise MlpipesError("MLflow does not answer")
        return AliasedVersion(name, dict(self.aliases), {"production": "2026-01-01T00:00:00+00:00"})

    def fetch(self, name: str, version: int, folder: Path) -> None:
        self.copied.append(version)
        shutil.copytree(self.versions[version], folder, dirs_exist_ok=True)

    def read(self, name: str, version: int, path: str, limit: int) -> bytes | None:
        file = self.versions[version] / path
        return file.read_bytes()[:limit] if file.is_file() else None

    def tags(self, name: str, version: int) -> dict[str, str]:
        return self.tagged.get(version, {})


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    base = tmp_path_factory.mktemp("versions")
    broken = base / "broken"
    good = {1: serving_help.saved(base / "1"), 2: serving_help.saved(base / "2", classes=("a", "b"))}
    shutil.copytree(good[1], broken)
    (broken / "model.pkl").write_bytes(b"no pickle")
    versions = {**good, 3: broken}
    for folder in versions.values():
        signing_help.seal(folder)
    foreign, changed = base / "foreign", base / "changed"
    shutil.copytree(good[2], foreign)
    (foreign / files.SIGNATURE).unlink()
    shutil.copytree(good[2], changed)
    with (changed / "requirements.txt").open("r+b") as file:
        file.write(b"S")
    return {**versions, FOREIGN: foreign, CHANGED: changed}


@pytest.fixture
def shelf(folders: dict[int, Path]) -> Shelf:
    return Shelf(dict(folders))


def follower(shelf: Shelf, scratch: Path, **settings: object) -> AliasFollower:
    told = ServerSettings(
        "people", "production", also=("staging",), reload_seconds=0.02, scratch=str(scratch), **settings
    )  # type: ignore[arg-type]
    return AliasFollower(Vault(shelf, signing_help.KEY), told, Silent())  # type: ignore[arg-type]


async def until(true: object) -> None:
    async with asyncio.timeout(20):
        while not true():  # type: ignore[operator]
            await asyncio.sleep(0.01)


def test_the_alias_moves_and_the_model_follows(shelf: Shelf, tmp_path: Path) -> None:
    async def main() -> None:
        following = follower(shelf, tmp_path)
        models = following.load()
        assert (models.primary.version, list(models)) == (1, ["production"])
        following.start(models)
        held = models.primary
        shelf.aliases = {"production": 2, "staging": 1}
        await until(lambda: models.primary.version == 2 and "staging" in models)
        assert models.primary.promoted_at == "2026-01-01T00:00:00+00:00"
        assert (
            held.version == 1 and held.predict(serving_help.people(2)).raw.tolist()
        )  # who holds it keeps it
        shelf.aliases = {"production": 1}
        await until(lambda: models.primary.version == 1)
        await until(lambda: "staging" in models.problems)
        assert models["staging"].version == 1
        following.stop()

    asyncio.run(main())


def test_a_registry_that_makes_no_sense_is_told_once(
    shelf: Shelf, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def published(name: str) -> AliasedVersion:
        asked.append(name)
        raise TypeError("unhashable type: 'dict'")

    async def main() -> None:
        following = follower(shelf, tmp_path)
        models = following.load()
        with monkeypatch.context() as broken:
            broken.setattr(shelf, "published", published)
            following.start(models)
            await until(lambda: len(asked) > 5)
        shelf.aliases = {"production": 2}
        await until(lambda: models.primary.version == 2)
        following.stop()

    asyncio.run(main())
    assert [one.getMessage() for one in caplog.records].count("the registry cannot be read") == 1


def test_a_version_that_does_not_load_leaves_the_old_one(shelf: Shelf, tmp_path: Path) -> None:
    async def main() -> None:
        following = follower(shelf, tmp_path)
        models = following.load()
        following.start(models)
        shelf.aliases = {"production": 3}
        await until(lambda: models.problems)
        assert (
            "version 3" in models.problems["production"]
            and "version 1 still" in models.problems["production"]
        )
        assert models.primary.version == 1
        shelf.aliases = {"production": 2}
        await until(lambda: models.primary.version == 2)
        assert not models.problems
        following.stop()

    asyncio.run(main())


def trust(shelf: Shelf, version: int) -> None:
    """What `mlpipes models trust` does to the tags."""
    found = files.listed(shelf.versions[version])
    words = {"actor": "ada", "when": "2026-01-01T00:00:00+00:00", "why": ""}
    text = statements.trust(found, signing_help.KEY, "people", version, **words)
    shelf.tagged[version] = {statements.TAG: text}


@pytest.mark.parametrize(
    ("version", "told"),
    [(FOREIGN, "is not signed by this project"), (CHANGED, "was signed: requirements.txt was changed")],
)
def test_a_version_that_nobody_signed_is_told_once_and_taken_when_it_is_trusted(
    shelf: Shelf,
    tmp_path: Path,
    version: int,
    told: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("_AGAIN", "_TRUSTED_BY_NOW"):
        monkeypatch.setattr(f"mlpipes_cli.server.models.served_models.{name}", 0.05)
    asked: list[int] = []
    ask = shelf.tags
    monkeypatch.setattr(shelf, "tags", lambda name, version: asked.append(version) or ask(name, version))

    async def main() -> None:
        following = follower(shelf, tmp_path)
        models = following.load()
        following.start(models)
        shelf.aliases = {"production": version}
        await until(lambda: models.problems)
        problem = models.problems["production"]
        assert f"version {version} of model 'people'" in problem and told in problem
        assert problem.endswith("version 1 still answers")
        await until(lambda: len(asked) >= 5)
        (line,) = [one.message for one in caplog.records if f"version {version}" in one.message]
        assert f"`mlpipes models trust {version} --model people`" in line
        assert models.primary.version == 1
        assert (version in shelf.copied) == (version == CHANGED), "what nobody signed is not even fetched"
        trust(shelf, version)
        await until(lambda: models.primary.version == version)
        assert not models.problems
        following.stop()

    asyncio.run(main())


def test_an_api_does_not_start_on_what_nobody_signed(shelf: Shelf, tmp_path: Path) -> None:
    shelf.aliases = {"production": FOREIGN}
    with pytest.raises(Untrusted, match="is not signed by this project"):
        follower(shelf, tmp_path).load()
    shelf.aliases = {"production": 1, "staging": FOREIGN}
    models = follower(shelf, tmp_path).load()
    assert list(models) == ["production"]
    assert "version 4" in models.problems["staging"]


def test_the_folder_of_an_image_has_to_be_as_it_was_built(folders: dict[int, Path], tmp_path: Path) -> None:
    told = ServerSettings("people", "production", 1, str(folders[1]), files=signing_help.digest(folders[1]))
    assert from_folder(told).primary.version == 1
    for wrong in (None, signing_help.digest(folders[2])):
        with pytest.raises(Untrusted, match="have changed since the image was built"):
            from_folder(replace(told, files=wrong))


def test_a_registry_that_is_away_changes_nothing(shelf: Shelf, tmp_path: Path) -> None:
    async def main() -> None:
        following = follower(shelf, tmp_path)
        models = following.load()
        following.start(models)
        shelf.away = True
        await asyncio.sleep(0.1)
        assert models.primary.version == 1
        shelf.aliases, shelf.away = {"production": 2}, False
        await until(lambda: models.primary.version == 2)
        following.stop()

    asyncio.run(main())


def test_nothing_promoted_is_one_clear_line(shelf: Shelf, tmp_path: Path) -> None:
    shelf.aliases = {"staging": 1}
    with pytest.raises(MlpipesError, match="no 'production' version"):
        follower(shelf, tmp_path).load()


def test_copies_live_as_long_as_their_models(shelf: Shelf, tmp_path: Path) -> None:
    dead = tmp_path / "mlpipes-model-999999999-x"
    dead.mkdir()
    ours = Copies(tmp_path).new()
    assert ours.is_dir() and not dead.exists()
    assert f"-{os.getpid()}-" in ours.name
    models = follower(shelf, tmp_path).load()
    copy = models.primary.folder
    assert copy.is_dir()
    del models
    gc.collect()
    assert not copy.exists()


def test_find_names_what_is_served(folders: dict[int, Path]) -> None:
    models = ServedModels(serving_help.served(folders[1], 1))
    models.put(serving_help.served(folders[2], 2, "staging"))
    assert models.find("people").version == 1
    assert models.find("people", "staging").version == 2
    assert models.find("people", version=2).alias == "staging"
    for wrong in (("other", None, None), ("people", "nope", None), ("people", None, 7)):
        with pytest.raises(ApiError) as caught:
            models.find(*wrong)
        assert caught.value.status == 404
        assert "people 1 (production), people 2 (staging)" in caught.value.message
