"""What ``dataset.yaml`` says of the columns that a source has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mlpipes_cli.config.dataset.columns import ColumnConfig
from mlpipes_cli.config.dataset.config import DatasetConfig
from mlpipes_cli.config.yaml_source import Location, YamlSource
from mlpipes_cli.errors import ConfigError
from mlpipes_cli.suggest import did_you_mean

if TYPE_CHECKING:
    from mlpipes_cli.data.readers.planning import Declared

_BYTES = 63  # PostgreSQL cuts longer names


def declared(config: DatasetConfig, names: Sequence[str], source: YamlSource) -> dict[str, Declared]:
    """Return what is declared of each column that is loaded, in the source's order.

    Raises:
        ConfigError: ``columns`` names a column that the source does not have, a column is not listed and
            may not be loaded, or a name cannot be one of a table's.
    """
    from mlpipes_cli.data.readers.planning import Declared

    problems = [
        source.problem(("columns", name), f"no column {name!r} in the source{_near(name, names)}")
        for name in config.columns
        if name not in names
    ]
    found: dict[str, Declared] = {}
    for name in names:
        told = config.columns.get(name)
        if told is None and config.other_columns == "refuse":
            problems.append(
                source.problem(("other_columns",), f"the source has a column {name!r}, not in `columns`")
            )
        if (told is None and config.other_columns == "drop") or (told is not None and told.drop):
            continue
        told = told or ColumnConfig()
        stored = told.rename or name
        if problem := _not_stored(name, stored):
            problems.append(source.problem(("columns", name), problem))
        found[name] = Declared(stored, told.type, told.format)
    problems += _twice(found, source)
    if not found and not problems:
        problems.append(source.problem(("columns",), "no column is left to load"))
    if problems:
        raise ConfigError(problems)
    return found


def _near(name: str, names: Sequence[str]) -> str:
    shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    return did_you_mean(name, names) or f"; it has {shown}"


def _not_stored(name: str, stored: str) -> str:
    fix = f"give it another name: `columns: {{{name!r}: {{rename: ...}}}}`"
    if stored.startswith("_"):
        return f"the column {stored!r} begins with '_', which is reserved; {fix}"
    if len(stored.encode()) > _BYTES:
        return f"the column {stored[:20]!r}... is longer than {_BYTES} bytes; {fix}"
    return f"the column {stored!r} has a NUL character; {fix}" if "\0" in stored else ""


def _twice(found: Mapping[str, Declared], source: YamlSource) -> list[str]:
    first: dict[str, str] = {}
    problems = []
    for name, one in found.items():
        if one.name in first:
            said = f"{first[one.name]!r} and {name!r} both get the name {one.name!r}; rename one of them"
            where = name if ("columns", name) in source.lines else first[one.name]
            problems.append(source.problem(("columns", where), said))
        first.setdefault(one.name, name)
    return problems


def stored(
    config: DatasetConfig, name: str, found: Mapping[str, Declared], where: Location, source: YamlSource
) -> str:
    """Return the name in the table of a column that ``dataset.yaml`` refers to by either name.

    Raises:
        ConfigError: There is no such column.
    """
    if name in found:
        return found[name].name
    names = [one.name for one in found.values()]
    if name in names:
        return name
    raise ConfigError([source.problem(where, f"no column {name!r}{_near(name, [*found, *names])}")])
