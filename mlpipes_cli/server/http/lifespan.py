"""Start and stop of the server; the FastAPI application is created after the start."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.server.models import memory

if TYPE_CHECKING:
    from mlpipes_cli.server.ops.keys import KeyGuard
    from mlpipes_cli.server.predictions.service import PredictionService

logger = logging.getLogger("mlpipes.server")
Message = MutableMapping[str, Any]


class Lifespan:
    """An ASGI application: the lifespan of the server, and a framework that is created once it runs.

    Predictions are answered without the framework, so they do not wait for it. Other requests in the first
    moments wait until it is ready.

    Args:
        service: Started and stopped here, and described by the framework.
        guard: Started and stopped here.
    """

    def __init__(self, service: PredictionService, guard: KeyGuard) -> None:
        self._service, self._guard = service, guard
        self._making: asyncio.Task[Any] | None = None

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        framework = await asyncio.shield(self._made())
        await framework(scope, receive, send)

    def _made(self) -> asyncio.Task[Any]:
        if self._making is None:
            self._making = asyncio.create_task(asyncio.to_thread(self._make))
        return self._making

    def _make(self) -> Any:
        from mlpipes_cli.server.http import fastapi_app

        made = fastapi_app.make(self._service)
        made.middleware_stack = made.build_middleware_stack()
        memory.trim(freeze=True)
        return made

    async def _live(
        self, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        await receive()
        try:
            await self._guard.start()
            await self._service.start()
        except MlpipesError as error:
            logger.critical("%s", error)
            await send({"type": "lifespan.startup.failed"})
            raise
        await send({"type": "lifespan.startup.complete"})
        self._made()
        await receive()
        if self._making is not None:
            await asyncio.wait([self._making])
        await self._service.stop()
        await self._guard.stop()
        await send({"type": "lifespan.shutdown.complete"})
