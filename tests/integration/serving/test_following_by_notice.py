"""A running API hears of a moved alias through a real Postgres, and asks the registry seldom meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import serving_help
import signing_help
from unit.server.models.test_served_models import Shelf, Silent, folders, shelf, until

from mlpipes_cli.adapters.postgres.alias_notifications import PostgresAliasNotifications, notify
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports import AliasedVersion
from mlpipes_cli.server.models.served_models import AliasFollower, ServedModels
from mlpipes_cli.server.settings import ServerSettings
from mlpipes_cli.signing.vault import Vault

pytestmark = pytest.mark.slow
__all__ = ["folders", "shelf"]  # fixtures
_OFTEN = 0.02  # seconds between two looks where nothing is heard


@dataclass
class Following:
    """A follower at work.

    Attributes:
        shelf: The registry.
        models: What is served.
        asked: How often the registry was asked.
    """

    shelf: Shelf
    models: ServedModels | None = None
    asked: list[str] = field(default_factory=list)

    async def quiet(self) -> None:
        """Wait until the registry is not asked all the time."""
        for _ in range(1000):
            before = len(self.asked)
            await asyncio.sleep(_OFTEN * 10)
            if len(self.asked) <= before + 1:
                return
        raise AssertionError("it is asked all the time")

    async def version(self, wanted: int) -> None:
        assert self.models is not None
        models = self.models
        await until(lambda: models.primary.version == wanted)


@asynccontextmanager
async def following(
    shelf: Shelf, scratch: Path, url: str, quiet: float, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Following]:
    found = Following(shelf)
    published = shelf.published

    def counted(name: str) -> AliasedVersion | None:
        found.asked.append(name)
        return published(name)

    monkeypatch.setattr(shelf, "published", counted)
    settings = ServerSettings(
        "people", "production", scratch=str(scratch), reload_seconds=_OFTEN, quiet_seconds=quiet
    )
    vault: Any = Vault(shelf, signing_help.KEY)  # type: ignore[arg-type]
    follower = AliasFollower(vault, settings, Silent(), news=PostgresAliasNotifications(url, 1.0))  # type: ignore[arg-type]
    found.models = follower.load()
    follower.start(found.models)
    try:
        yield found
    finally:
        follower.stop()


def test_a_notice_is_followed_at_once_and_nothing_is_asked_in_between(
    shelf: Shelf, tmp_path: Path, postgres: serving_help.Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with following(shelf, tmp_path, postgres.url, 3600, monkeypatch) as at:
            await at.quiet()
            before = len(at.asked)
            await asyncio.to_thread(notify, postgres.url, "another-model")
            await asyncio.sleep(_OFTEN * 10)
            assert len(at.asked) == before
            shelf.aliases = {"production": 2}
            await asyncio.to_thread(notify, postgres.url, "people")
            await at.version(2)
            assert len(at.asked) == before + 1

    asyncio.run(main())


def test_a_move_that_nobody_tells_is_followed_at_the_next_look(
    shelf: Shelf, tmp_path: Path, postgres: serving_help.Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with following(shelf, tmp_path, postgres.url, 1.0, monkeypatch) as at:
            await at.quiet()
            shelf.aliases = {"production": 2}
            await at.version(2)

    asyncio.run(main())


def test_a_database_that_restarts_is_listened_to_again(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main(server: serving_help.Postgres) -> None:
        async with following(shelf, tmp_path, server.url, 3600, monkeypatch) as at:
            await at.quiet()
            await asyncio.to_thread(server.kill)
            before = len(at.asked)
            await until(lambda: len(at.asked) > before + 5)  # it is asked as often as without
            shelf.aliases = {"production": 2}
            await at.version(2)
            await asyncio.to_thread(server.start)
            await at.quiet()
            shelf.aliases = {"production": 1}
            await asyncio.to_thread(notify, server.url, "people")
            await at.version(1)

    with serving_help.postgres() as server:
        asyncio.run(main(server))


@asynccontextmanager
async def swallowing(port: int) -> AsyncIterator[int]:
    """A port in front of a Postgres that passes on all but notices, as a pooler of transactions does."""

    async def passed(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while piece := await source.read(65536):
                if not piece.startswith(b"A"):  # NotificationResponse
                    target.write(piece)
                    await target.drain()
        except OSError:
            pass
        finally:
            target.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(passed(reader, back), passed(there, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def test_where_notices_are_swallowed_the_registry_is_asked_as_before(
    shelf: Shelf,
    tmp_path: Path,
    postgres: serving_help.Postgres,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def said() -> list[str]:
        return [text for one in caplog.records if "polled twice a second" in (text := one.getMessage())]

    async def main() -> None:
        async with swallowing(postgres.port) as port:
            url = postgres.url.replace(f":{postgres.port}/", f":{port}/")
            with pytest.raises(MlpipesError, match="does not deliver notifications"):
                await PostgresAliasNotifications(url, 0.5).listen(lambda _: None, lambda: None)
            async with following(shelf, tmp_path, url, 3600, monkeypatch) as at:
                await until(said)
                before = len(at.asked)
                await until(lambda: len(at.asked) > before + 5)
                shelf.aliases = {"production": 2}
                await at.version(2)

    with caplog.at_level("INFO", logger="mlpipes.server"):
        asyncio.run(main())
    assert len(said()) == 1
