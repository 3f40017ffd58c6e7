"""Reports moved aliases by NOTIFY and LISTEN of the project's own database.

A connection pooler accepts LISTEN and may drop every notification. So a listener first sends itself one
through a second connection, and relies on notifications only after it has arrived.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from contextlib import closing

from mlpipes_cli.adapters.postgres import database
from mlpipes_cli.errors import MlpipesError

CHANNEL = "mlpipes_alias"
_SECONDS = 4.0  # seconds to connect and to receive the first message


def notify(url: str, model: str) -> None:
    """Notify all listeners that an alias of a model has moved.

    Raises:
        MlpipesError: The database does not answer, or refuses.
    """
    import psycopg2

    with closing(database.connect(url)) as connection:
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute("select pg_notify(%s, %s)", (CHANNEL, model))
        except psycopg2.Error as error:
            raise database.unreachable(error) from None


class PostgresAliasNotifications:
    """Implements :class:`mlpipes_cli.ports.alias_notifications.AliasNotifications`.

    Args:
        url: ``postgresql://user:password@host:port/mlpipes``.
        seconds: The timeout for connecting, and for the first message.
    """

    def __init__(self, url: str, seconds: float = _SECONDS) -> None:
        self._url, self._seconds = url, seconds

    async def listen(self, on_change: Callable[[str], None], ready: Callable[[], None]) -> None:
        import asyncpg

        connection = await database.connect_async(self._url, self._seconds)
        first, heard, lost = uuid.uuid4().hex, asyncio.Event(), asyncio.Event()

        def hear(_connection: object, _pid: int, _channel: str, word: object) -> None:
            if word == first:
                heard.set()
            else:
                on_change(str(word))

        try:
            connection.add_termination_listener(lambda _: lost.set())
            async with asyncio.timeout(self._seconds):
                await connection.add_listener(CHANNEL, hear)
                await asyncio.to_thread(notify, self._url, first)  # a pooler in between may swallow all of it
                await heard.wait()
            ready()
            await lost.wait()
        except TimeoutError:
            raise MlpipesError(
                "the database does not deliver notifications", "a connection pooler may drop them"
            ) from None
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise database.unreachable(error) from None
        finally:
            connection.terminate()
        raise MlpipesError("the connection to the database was lost", "see `mlpipes status`")
