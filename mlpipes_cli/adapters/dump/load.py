"""Loads a script with a `psql` that holds one transaction open until it is to commit."""

from __future__ import annotations

import contextlib
import json
import secrets
import subprocess
import tempfile
from collections.abc import Collection, Iterator
from typing import IO, BinaryIO

from mlpipes_cli.adapters.dump import contents, programs, script
from mlpipes_cli.adapters.dump.address import Address
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports.dumps import Holding

_PATIENCE = 10.0


class PsqlLoading:
    """Implements :class:`mlpipes_cli.ports.dumps.Loading`."""

    def __init__(
        self, address: Address, known: Collection[str], child: subprocess.Popen[bytes], stderr: IO[bytes]
    ) -> None:
        self._address, self._known, self._child, self._stderr = address, known, child, stderr
        self._transaction = ""

    def load(self, content: BinaryIO) -> None:
        word = secrets.token_hex(16)
        self._send(b"\\o /dev/null\nbegin;\n")
        (self._transaction,) = self._ask("select pg_catalog.pg_current_xact_id()")
        self._send(script.DROP.encode() + f"\n\\restrict {word}\n".encode())
        for chunk in script.adapted(content, self._known):
            self._send(chunk)
        self._send(f"\n\\unrestrict {word}\nset constraints all immediate;\n".encode())
        self._want_ours()

    def holds(self) -> Holding:
        tables = [json.loads(line) for line in self._ask(contents.TABLES)]
        rows = {".".join(table): self._count(*table) for table in tables}
        revision = self._ask(contents.REVISION) if rows.get("public.alembic_version") else []
        return Holding(rows, revision[0] if revision else None)

    def _count(self, schema: str, table: str) -> int:
        relation = f"{_quoted(schema)}.{_quoted(table)}"
        (count,) = self._ask(f"select pg_catalog.count(*) from {relation}")  # noqa: S608 - quoted
        return int(count)

    def commit(self) -> None:
        self._want_ours()
        self._send(b"commit;\n")
        if self._ask(f"select pg_catalog.pg_xact_status('{self._transaction}')") != ["committed"]:
            raise self._failure("the transaction did not become valid")

    def _want_ours(self) -> None:
        """Make sure that the transaction is the one that was begun, and that everything sent is executed."""
        transactions = self._ask("select pg_catalog.pg_current_xact_id_if_assigned()")
        if transactions != [self._transaction]:
            raise self._failure("the script ended its own transaction")

    def _ask(self, query: str) -> list[str]:
        """Return the lines that a query gives."""
        mark = f"mlpipes-{secrets.token_hex(16)}"
        self._send(f"\\o\n{query};\nselect '{mark}';\n\\o /dev/null\n".encode())
        stdin, stdout = self._child.stdin, self._child.stdout
        assert stdin is not None and stdout is not None
        with self._broken():
            stdin.flush()
        lines: list[str] = []
        for line in stdout:
            text = line.decode(errors="replace").rstrip("\n")
            if text == mark:
                return lines
            lines.append(text)
        raise self._failure()

    def _send(self, text: bytes) -> None:
        assert self._child.stdin is not None
        with self._broken():
            self._child.stdin.write(text)

    @contextlib.contextmanager
    def _broken(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise self._failure() from None

    def _failure(self, what: str = "") -> MlpipesError:
        if what:
            return MlpipesError(f"database {self._address.shown}: {what}")
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(_PATIENCE)
        self._stderr.seek(0)
        return refused(self._address, self._stderr.read().decode(errors="replace"))


def refused(address: Address, output: str) -> MlpipesError:
    """Return the error for the output of a PostgreSQL program."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    worst = next((n for n, line in enumerate(lines) if "ERROR:" in line or "FATAL:" in line), 0)
    text = " | ".join(part.split("ERROR:")[-1].strip() for part in lines[worst : worst + 3])
    hint = ""
    if "lock timeout" in text:
        hint = "another client is using its tables; close notebooks and other clients, then try again"
    return MlpipesError(f"database {address.shown}: {text or 'psql exited'}", hint)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@contextlib.contextmanager
def loading(address: Address) -> Iterator[PsqlLoading]:
    """Start a `psql`; at the end of the context it is ended, and uncommitted changes are lost."""
    with contextlib.closing(address.connect()) as connection, connection.cursor() as cursor:
        program = programs.choose("psql", connection)
        cursor.execute("select name from pg_settings")
        known = frozenset(name for (name,) in cursor.fetchall())
    command = [str(program), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", address.url]
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=address.environment(),
            bufsize=1 << 16,
        )
        try:
            yield PsqlLoading(address, known, child, errors)
        finally:
            _end(child)


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kill `psql` without closing its input first: an open transaction must not execute anything more."""
    child.kill()
    child.wait()
    for stream in (child.stdin, child.stdout):
        with contextlib.suppress(OSError):
            if stream is not None:
                stream.close()
