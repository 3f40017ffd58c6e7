"""Errors of PostgreSQL as one line with the place in ``dataset.yaml``."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator

from mlpipes_cli.adapters.postgres.database import first_line, unreachable
from mlpipes_cli.config.yaml_source import Location, YamlSource
from mlpipes_cli.data.origins.select_only import SECONDS, NotOneSelect
from mlpipes_cli.errors import ConfigError, MlpipesError
from mlpipes_cli.suggest import did_you_mean

_WRITTEN = ("42", "0A", "25", "26", "34", "2F", "54")  # classes of mistakes in the statement itself
# What a cast of ours says of a value that does not fit; see `casts`.
_CAST = re.compile(r"<mlpipes:(\d+):(\d+):(-?\d+):(.*)>", re.DOTALL)
_SHOWN = 60


class CastFailed(Exception):
    """A value does not fit the type that a ``cast`` step gives to its column.

    Attributes:
        step: The position of the step.
        column: The position of the column in the step.
        row: The number of the row.
        value: Its value.
    """

    def __init__(self, step: int, column: int, row: int, value: str) -> None:
        super().__init__(value)
        self.step, self.column, self.row = step, column, row
        self.value = value if len(value) <= _SHOWN else f"{value[: _SHOWN - 3]}..."


@contextlib.contextmanager
def located(
    source: YamlSource, location: Location, *, ours: bool = False, known: Iterable[str] = ()
) -> Iterator[None]:
    """Turn an error of the server into one line about a place in the file.

    Args:
        source: The file.
        location: The check or the step that the statement belongs to.
        ours: Whether mlpipes wrote the statement: then the data is at fault, not the file.
        known: The columns that the user's SQL may use.

    Raises:
        CastFailed: A value does not fit a cast.
        ConfigError: The user's SQL is wrong.
        MlpipesError: The data does not fit it, or the database is gone.
    """
    import psycopg2

    try:
        yield
    except NotOneSelect:
        message = "expected one statement that returns rows, such as a select; it was not run"
        raise ConfigError([source.problem(location, message)]) from None
    except psycopg2.errors.QueryCanceled:
        reason = source.problem(location, f"the statement took longer than {SECONDS // 60} minutes")
        raise MlpipesError(reason, "make it cheaper, or do it in smaller steps") from None
    except psycopg2.errors.LockNotAvailable:
        reason = source.problem(location, "another client holds a lock on the table")
        raise MlpipesError(reason, "try again later") from None
    except psycopg2.Error as error:
        code = error.pgcode or ""
        if not code or code.startswith(("08", "57P")):
            raise unreachable(error) from None
        if found := _CAST.search(str(error)):
            raise CastFailed(int(found[1]), int(found[2]), int(found[3]), found[4]) from None
        problem = source.problem(location, f"PostgreSQL says: {first_line(error)}{_hint(error, known)}")
        if code.startswith(_WRITTEN) and not ours:
            raise ConfigError([problem]) from None
        raise MlpipesError(problem) from None


def _hint(error: Exception, known: Iterable[str]) -> str:
    """Return what helps against an unknown column: a suggestion, and the quotes that its name needs."""
    found = re.search(r'column "?([^"]+?)"? does not exist', first_line(error))
    near = did_you_mean(found[1], known) if found else ""
    name = near.partition("'")[2].rpartition("'")[0]
    if not name or re.fullmatch(r"[a-z_][a-z0-9_]*", name):
        return near
    return f'; did you mean "{name}"? SQL needs double quotes around a name that is not in lower case'
