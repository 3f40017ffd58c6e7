"""Partitions of ``serving.predictions``, one for each month (UTC)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mlpipes_cli.adapters.postgres import database

if TYPE_CHECKING:
    from asyncpg import Connection

Month = tuple[int, int]


def month(milliseconds: int) -> Month:
    """Return year and month of a time in milliseconds since the epoch."""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.year, moment.month


def name(of: Month) -> str:
    """Return the name of the partition's table."""
    return f"serving.predictions_{of[0]:04}_{of[1]:02}"


def bounds(of: Month) -> tuple[str, str]:
    """Return the month's first moment, and the first one after it."""
    year, number = of
    after = (year + 1, 1) if number == 12 else (year, number + 1)
    return f"{year:04}-{number:02}-01 00:00+00", "{:04}-{:02}-01 00:00+00".format(*after)


async def make(connection: Connection, of: Month) -> None:
    """Make the partition of a month unless it exists.

    If rows of that month are already in the default partition (after a clock jumped), they
    stay there and so do new ones: PostgreSQL refuses the new partition.
    """
    import asyncpg

    if await connection.fetchval("select to_regclass($1) is not null", name(of)):
        return
    first, after = bounds(of)
    try:  # one message, so one transaction, and no wait for a ROLLBACK if the connection is lost
        await connection.execute(
            f"select pg_advisory_xact_lock({database.LOCK}); "  # noqa: S608  our own names
            f"create table if not exists {name(of)} partition of serving.predictions "
            f"for values from ('{first}') to ('{after}')"
        )
    except (asyncpg.CheckViolationError, asyncpg.InsufficientPrivilegeError):
        return
