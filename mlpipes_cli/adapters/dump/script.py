"""The statements around a script of `pg_dump`, and the few parts of it that depend on the server.

`pg_dump` writes for a server like itself: the settings at the top of a script may include one that
an older server does not know. The servers of November 2026 (17.12, for one) give each column an option of
their own, ``pg_attver``; their `pg_dump` omits it, an older one writes it, and older servers
refuse it. A script is fed to `psql` in its restricted mode, under a random word that the script does not
know, so that nothing in it can run a program on this machine.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import BinaryIO, cast

from mlpipes_cli.adapters.dump.script_check import ScriptCheck

# Drops what is in the way of the script. Members of extensions and parts of columns go with their owners.
DROP = r"""
set lock_timeout = '60s';
set client_min_messages = warning;
do $mlpipes$
declare one record;
begin
  for one in select nspname from pg_namespace
    where nspname !~ '^pg_' and nspname not in ('information_schema', 'public')
  loop execute format('drop schema %I cascade', one.nspname); end loop;
  for one in select c.relkind, c.relname from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'S', 'f')
      and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid
                      and d.deptype in ('e', 'i', 'a') and (d.deptype = 'e' or c.relkind = 'S'))
  loop
    execute format('drop %s if exists public.%I cascade', case one.relkind when 'v' then 'view'
      when 'm' then 'materialized view' when 'S' then 'sequence' when 'f' then 'foreign table'
      else 'table' end, one.relname);
  end loop;
  for one in select p.oid::regprocedure as name, p.prokind from pg_proc p
    where p.pronamespace = 'public'::regnamespace
      and not exists (select from pg_depend d
        where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
  loop
    execute format('drop %s if exists %s cascade', case one.prokind when 'a' then 'aggregate'
      when 'p' then 'procedure' else 'function' end, one.name);
  end loop;
  for one in select t.typname, t.typtype from pg_type t left join pg_class c on c.oid = t.typrelid
    where t.typnamespace = 'public'::regnamespace and t.typtype in ('e', 'd', 'c', 'r')
      and (c.oid is null or c.relkind = 'c')
      and not exists (select from pg_depend d
        where d.classid = 'pg_type'::regclass and d.objid = t.oid and d.deptype = 'e')
  loop execute format('drop %s if exists public.%I cascade',
    case one.typtype when 'd' then 'domain' else 'type' end, one.typname); end loop;
end
$mlpipes$;
"""
_CHUNK = 1 << 20
_TAIL = 4096
_SETTING = re.compile(rb"SET (\w+) = ")
_PREAMBLE = re.compile(rb"\s*$|--|SET \w+ = |SELECT pg_catalog\.set_config\(|\\restrict ")
_ROWS_BEGIN = re.compile(rb"^COPY .* FROM stdin;$", re.MULTILINE)
_ROWS_END = b"\n\\.\n"
_OWN = b"pg_attver="
_OPTIONS = re.compile(rb"^(ALTER (?:FOREIGN )?TABLE ONLY .* ALTER COLUMN .* SET \()(.*)\);\n", re.MULTILINE)


def adapted(script: BinaryIO, known: Collection[str]) -> Iterator[bytes]:
    """Yield a script in chunks, without the settings and options that the server does not know.

    Args:
        script: The output of `pg_dump`.
        known: The names of the server's settings.

    Raises:
        MlpipesError: It is incomplete, or does not stay inside its transaction; see :class:`ScriptCheck`.
    """
    return _portable(_known(cast(BinaryIO, ScriptCheck(script)), known))


def _known(script: BinaryIO, known: Collection[str]) -> Iterator[bytes]:
    held, word = _fill(script, b""), b""
    while held and _PREAMBLE.match(line := held[: held.find(b"\n") + 1] or held):
        held = held[len(line) :]
        setting = _SETTING.match(line)
        if line.startswith(b"\\restrict "):
            word = line.split()[1]
        elif setting is None or setting[1].decode() in known:
            yield line
    while len(held := _fill(script, held)) > _TAIL:
        yield held[:-_TAIL]
        held = held[-_TAIL:]
    yield _without(held, b"\\unrestrict " + word) if word else held


def _portable(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield statements without a server's own options, and rows unchanged, whatever they hold."""
    held, in_rows = b"", False
    for chunk in chunks:
        held += chunk
        searching = True
        while searching:
            if in_rows:
                end = held.find(_ROWS_END)
                searching, cut = end >= 0, end + len(_ROWS_END) if end >= 0 else 1 - len(_ROWS_END)
                yield held[:cut]
            else:
                begins = _ROWS_BEGIN.search(held)
                searching, cut = begins is not None, begins.end() if begins else held.rfind(b"\n") + 1
                yield _without_own(held[:cut])
            held, in_rows = held[cut:], in_rows != searching
    yield held


def _without_own(statements: bytes) -> bytes:
    return _OPTIONS.sub(_others, statements) if _OWN in statements else statements


def _others(found: re.Match[bytes]) -> bytes:
    """Return the statement with its other options, if there are any."""
    kept = [option for option in found[2].split(b", ") if not option.startswith(_OWN)]
    return found[1] + b", ".join(kept) + b");\n" if kept else b""


def _fill(script: BinaryIO, held: bytes) -> bytes:
    """Return ``held`` and the next chunk."""
    return held + script.read(_CHUNK)


def _without(text: bytes, line: bytes) -> bytes:
    return b"".join(row for row in text.splitlines(keepends=True) if row.rstrip() != line)
