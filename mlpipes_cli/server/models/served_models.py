"""The models that one API serves, by alias; they follow the registry's aliases."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports.alias_notifications import AliasNotifications
from mlpipes_cli.server.http.api_error import ApiError
from mlpipes_cli.server.models import loader, memory
from mlpipes_cli.server.models.copies import Copies
from mlpipes_cli.server.models.loader import Interpreters
from mlpipes_cli.server.models.served_model import ServedModel
from mlpipes_cli.server.predictions.meter import Meter
from mlpipes_cli.server.settings import ServerSettings
from mlpipes_cli.server.threads import detached
from mlpipes_cli.signing import files
from mlpipes_cli.signing.vault import Changed, Untrusted, Vault

logger = logging.getLogger("mlpipes.server")
_LISTEN_AGAIN, _LISTEN_SELDOM = 1.0, 30.0  # seconds until the next attempt to listen for moves
_AGAIN = 30.0  # seconds until a version that could not be loaded is tried again
_TRUSTED_BY_NOW = 3.0  # seconds until the signature of an untrusted version is checked again


@dataclass(frozen=True)
class _Failure:
    """A version that could not be loaded, the reason, and when (by the loop's clock) it is tried again."""

    version: int
    reason: str
    again: float

    def is_as(self, other: _Failure) -> bool:
        return (self.version, self.reason) == (other.version, other.reason)


class ServedModels(Mapping[str, ServedModel]):
    """The loaded version of each alias. A request keeps the version that it started with.

    Attributes:
        problems: The problem of each alias, one line, while its previous version answers.
    """

    def __init__(self, first: ServedModel) -> None:
        self._primary = first.alias
        self._loaded = {first.alias: first}
        self.problems: dict[str, str] = {}

    @property
    def primary(self) -> ServedModel:
        """The model for requests that name none."""
        return self._loaded[self._primary]

    def put(self, model: ServedModel) -> None:
        """Serve this version under its alias from now on."""
        self._loaded = {**self._loaded, model.alias: model}

    def find(self, name: str, alias: str | None = None, version: int | None = None) -> ServedModel:
        """Return the model of that name, alias and version.

        Raises:
            ApiError: It is not served here (404).
        """
        for model in self._loaded.values():
            if (name, alias or model.alias, version or model.version) == (
                model.name,
                model.alias,
                model.version,
            ):
                return model
        there = ", ".join(f"{m.name} {m.version} ({m.alias})" for m in self._loaded.values())
        raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"no such model is served here; available: {there}")

    def __getitem__(self, alias: str) -> ServedModel:
        return self._loaded[alias]

    def __iter__(self) -> Iterator[str]:
        return iter(self._loaded)

    def __len__(self) -> int:
        return len(self._loaded)


def from_folder(settings: ServerSettings, interpreters: Interpreters | None = None) -> ServedModels:
    """Return the model of a folder, after a check that its files are the ones verified at the build.

    Args:
        settings: The settings with the folder.
        interpreters: Finds the environment of a model that has one.

    Raises:
        MlpipesError: The model cannot be loaded.
        Untrusted: The files differ.
    """
    assert settings.folder is not None
    folder = Path(settings.folder)
    version = settings.version or 0
    if settings.files is None or files.digest(files.listed(folder)) != settings.files:
        raise Untrusted(
            f"the files of version {version} of model {settings.model!r} in {folder} have changed since "
            "the image was built",
            "use the image unchanged, as `mlpipes build` made it",
        )
    alias, promoted_at, seconds = settings.alias, settings.promoted_at, settings.answer_timeout
    return ServedModels(
        loader.load(folder, settings.model, version, alias, promoted_at, interpreters, seconds)
    )


class AliasFollower:
    """Loads the versions that the aliases point to, and loads again whenever an alias moves.

    Args:
        vault: The loadable models of the registry.
        settings: The model and its aliases.
        meter: Receives each change.
        interpreters: Finds the environments of models that have one.
        news: Notifications of moved aliases; without them, or while they are not received, the registry is
            polled more often.
    """

    def __init__(
        self,
        vault: Vault,
        settings: ServerSettings,
        meter: Meter,
        interpreters: Interpreters | None = None,
        news: AliasNotifications | None = None,
    ) -> None:
        self._vault, self._settings, self._meter = vault, settings, meter
        self._interpreters, self._news = interpreters, news
        self._copies = Copies(None if settings.scratch is None else Path(settings.scratch))
        self._failed: dict[str, _Failure] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._moved = asyncio.Event()  # perhaps
        self._away = self._hearing = False

    def load(self) -> ServedModels:
        """Load the versions that the aliases point to; all aliases except the first may be missing.

        Raises:
            MlpipesError: The first alias does not exist, or its version cannot be loaded.
        """
        published = self._vault.source.published(self._settings.model)
        aliases = {} if published is None else published.aliases
        promoted = {} if published is None else published.promoted
        if self._settings.alias not in aliases:
            raise MlpipesError(
                f"model {self._settings.model!r} has no {self._settings.alias!r} version",
                "promote a run first",
            )
        first = self._fetched(self._settings.alias, aliases, promoted)
        models = ServedModels(first)
        for alias in self._settings.aliases[1:]:
            if alias in aliases:
                try:
                    models.put(self._fetched(alias, aliases, promoted))
                except MlpipesError as error:
                    models.problems[alias] = error.reason
        return models

    def start(self, models: ServedModels) -> None:
        """Follow the aliases from now on; called in the event loop."""
        for model in models.values():
            self._meter.model(model.name, model.alias, model.version)
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._follow(models))]
        if self._news is not None:
            self._tasks.append(loop.create_task(self._listen(self._news)))

    def stop(self) -> None:
        """Stop following the aliases."""
        for task in self._tasks:
            task.cancel()

    async def _listen(self, news: AliasNotifications) -> None:
        pause, warned = _LISTEN_AGAIN, False
        while True:
            try:
                await news.listen(self._tell, self._hears)
            except MlpipesError as error:
                if self._hearing or not warned:  # once per outage
                    logger.info("aliases are polled twice a second: %s", error)
            except Exception:
                if self._hearing or not warned:
                    logger.exception("aliases are polled twice a second")
            pause, warned = _LISTEN_AGAIN if self._hearing else min(2 * pause, _LISTEN_SELDOM), True
            self._hearing = False
            self._moved.set()
            await asyncio.sleep(pause)

    def _tell(self, model: str) -> None:
        if model == self._settings.model:
            self._moved.set()

    def _hears(self) -> None:
        self._hearing = True
        self._moved.set()  # earlier notifications were not received

    async def _pause(self, models: ServedModels) -> None:
        """Wait until the next poll: not after a notification, longer while notifications are received."""
        quiet = self._hearing and not self._away and not models.problems
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(
                self._settings.quiet_seconds if quiet else self._settings.reload_seconds
            ):
                await self._moved.wait()
        self._moved.clear()

    async def _follow(self, models: ServedModels) -> None:
        while True:
            await self._pause(models)
            try:
                await self._look(models)
            except MlpipesError as error:
                if not self._away:  # once per outage
                    logger.warning("the registry cannot be read: %s", error)
                self._away = True
            except Exception:
                if not self._away:
                    logger.exception("the registry cannot be read")
                self._away = True
            else:
                self._away = False

    async def _look(self, models: ServedModels) -> None:
        published = await detached(self._vault.source.published, self._settings.model)
        aliases = {} if published is None else published.aliases
        promoted = {} if published is None else published.promoted
        for alias in self._settings.aliases:
            wanted, there = aliases.get(alias), models.get(alias)
            if wanted is None:
                if there is not None:
                    models.problems[alias] = (
                        f"the alias {alias!r} no longer exists; version {there.version} still answers"
                    )
                continue
            if there is not None and there.version == wanted:
                models.problems.pop(alias, None)
                if alias in promoted:
                    there.promoted_at = promoted[alias]
                continue
            await self._change(models, alias, aliases, promoted)

    async def _change(
        self, models: ServedModels, alias: str, aliases: Mapping[str, int], promoted: Mapping[str, str]
    ) -> None:
        wanted, now = aliases[alias], asyncio.get_running_loop().time()
        before = self._failed.get(alias)
        if before is not None and before.version == wanted and now < before.again:
            return
        try:
            model = await detached(self._fetched, alias, aliases, promoted)
        except MlpipesError as error:
            copied = isinstance(error, Changed) or not isinstance(error, Untrusted)
            pause = _AGAIN if copied else _TRUSTED_BY_NOW
            self._failed[alias] = failure = _Failure(wanted, error.reason, now + pause)
            there = models.get(alias)
            kept = f"; version {there.version} still answers" if there is not None else ""
            models.problems[alias] = f"{error.reason}{kept}"
            if before is None or not before.is_as(failure):  # once, and not for each attempt
                self._meter.reload(False)
                hint = f"; {error.hint}" if isinstance(error, Untrusted) else ""
                logger.error("%s%s%s", error.reason, kept, hint)
            return
        models.put(model)
        models.problems.pop(alias, None)
        self._failed.pop(alias, None)
        self._meter.reload(True)
        self._meter.model(model.name, alias, model.version)
        logger.warning("version %d of model %r now answers as %s", model.version, model.name, alias)
        await detached(memory.trim)  # memory of the loading, and of the previous model

    def _fetched(self, alias: str, aliases: Mapping[str, int], promoted: Mapping[str, str]) -> ServedModel:
        """Load a version from a copy of its files, which is removed with the model."""
        name, version = self._settings.model, aliases[alias]
        folder = self._copies.new()
        try:
            self._vault.fetch(name, version, folder)
            model = loader.load(
                folder,
                name,
                version,
                alias,
                promoted.get(alias),
                self._interpreters,
                self._settings.answer_timeout,
            )
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        weakref.finalize(model, shutil.rmtree, folder, ignore_errors=True)
        return model
