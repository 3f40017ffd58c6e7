"""Implements :class:`mlpipes_cli.ports.dumps.Databases` with `pg_dump` and `psql`."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from mlpipes_cli.adapters.dump import contents, programs
from mlpipes_cli.adapters.dump.address import Address, parse
from mlpipes_cli.adapters.dump.load import loading, refused
from mlpipes_cli.adapters.dump.script_check import ScriptCheck
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports.dumps import DatabaseFacts, DatabaseSnapshot, Loading

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor


@dataclass(frozen=True)
class PostgresSnapshot:
    """Implements :class:`mlpipes_cli.ports.dumps.DatabaseSnapshot`."""

    address: Address
    program: Path
    name: str
    facts: DatabaseFacts

    def dump(self, target: Path) -> None:
        """See the port. The whole script is on disk when it returns."""
        command = [
            str(self.program), "--format=plain", "--no-owner", "--no-privileges", "--encoding=UTF8",
            "--no-publications", "--no-subscriptions", "--no-security-labels", "--no-tablespaces",
            "--lock-wait-timeout=60s", f"--snapshot={self.name}", f"--dbname={self.address.url}",
        ]  # fmt: skip
        with _file(target) as output:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.PIPE,
                env=self.address.environment(),
                check=False,
            )
        if done.returncode != 0:
            text = done.stderr.decode(errors="replace")
            problem = refused(self.address, text.replace("pg_dump: ", ""))
            raise MlpipesError(problem.reason, "nothing was written; see `mlpipes doctor`")


@contextlib.contextmanager
def _file(target: Path) -> Iterator[int]:
    try:
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        raise MlpipesError(f"{target}: cannot be written ({error.strerror})", "choose another path") from None
    try:
        yield handle
    finally:
        os.close(handle)


class PostgresDatabases:
    """Implements :class:`mlpipes_cli.ports.dumps.Databases`."""

    def facts(self, url: str) -> DatabaseFacts:
        """See the port."""
        with self._transaction(parse(url)) as cursor:
            return contents.read(cursor)

    def identity(self, url: str) -> str:
        """See the port: a table that is made again has another number, even under the same name."""
        with self._transaction(parse(url)) as cursor:
            rows = contents.read(cursor).rows
            cursor.execute("select coalesce(pg_catalog.array_agg(oid order by oid)::text, '') from pg_class")
            return f"{cursor.fetchone()} {sorted(rows.items())}"

    def examined(self, script: BinaryIO) -> BinaryIO:
        """See the port."""
        return cast(BinaryIO, ScriptCheck(script))

    @contextlib.contextmanager
    def snapshot(self, url: str) -> Iterator[DatabaseSnapshot]:
        """See the port; rows and dump are of the same moment."""
        address = parse(url)
        with self._transaction(address) as cursor:
            cursor.execute("select pg_export_snapshot()")
            (name,) = cursor.fetchone() or ("",)
            program = programs.choose("pg_dump", cursor.connection)
            yield PostgresSnapshot(address, program, name, contents.read(cursor))

    def loading(self, url: str) -> AbstractContextManager[Loading]:
        """See the port."""
        return loading(parse(url))

    @contextlib.contextmanager
    def _transaction(self, address: Address) -> Iterator[Cursor]:
        import psycopg2

        with contextlib.closing(address.connect()) as connection:
            connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
            try:
                with connection.cursor() as cursor:
                    yield cursor
            except psycopg2.Error as error:
                message = " ".join(str(error).split()) or type(error).__name__
                raise MlpipesError(f"database {address.shown}: {message}", "see `mlpipes status`") from None
