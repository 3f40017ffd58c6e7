"""Rows that a function of the project's own returns, or yields."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from mlpipes_cli.config.yaml_source import Location, YamlSource
from mlpipes_cli.data import user_code
from mlpipes_cli.data.problems import wrong
from mlpipes_cli.data.readers.values import column
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.suggest import did_you_mean

_END = object()


def tables(name: str, folder: Path, source: YamlSource, at: Location) -> Iterator[pa.Table]:
    """Yield the frames of a function.

    Args:
        name: ``module:function``.
        folder: The folder of the module.
        source: The file that names it.
        at: Where it does.

    Raises:
        ConfigError: There is no such function, or it returns something else.
        MlpipesError: The function raised an exception.
    """
    found = _function(name, folder, source, at)
    try:
        with user_code.running():
            made = found()
        frames = [made] if _is_frame(made) else made
        if not hasattr(frames, "__iter__"):
            raise wrong(
                source, at, f"{name} returned {type(made).__name__}, not a frame or an iterator of frames"
            )
        rest = iter(frames)
        while (frame := _next(rest)) is not _END:
            if not _is_frame(frame):
                said = f"{name} yielded {type(frame).__name__}, not a pandas frame or an Arrow table"
                raise wrong(source, at, said)
            table = table_of(frame)
            if len(set(table.column_names)) < table.num_columns:
                twice = next(one for one in table.column_names if table.column_names.count(one) > 1)
                raise wrong(source, at, f"{name}: two columns have the name {twice!r}")
            yield table
    except MlpipesError:
        raise
    except (Exception, SystemExit) as error:
        raise _raised(name, error, source, at) from error


def _next(rest: Iterator[Any]) -> Any:
    with user_code.running():
        return next(rest, _END)


def _function(name: str, folder: Path, source: YamlSource, at: Location) -> Callable[[], Any]:
    module, _, attribute = name.partition(":")
    place = str(folder.absolute())
    sys.path.insert(0, place)
    try:
        importlib.invalidate_caches()
        with user_code.running():
            loaded = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name == module.split(".")[0]:
            raise wrong(source, at, f"no module {module!r} in {folder}") from None
        raise _raised(name, error, source, at) from error
    except (Exception, SystemExit) as error:
        raise _raised(name, error, source, at) from error
    finally:
        sys.path.remove(place)
    found = getattr(loaded, attribute, None)
    if not callable(found):
        raise wrong(
            source, at, f"{module} has no function {attribute!r}{did_you_mean(attribute, vars(loaded))}"
        )
    made: Callable[[], Any] = found
    return made


def _is_frame(value: Any) -> bool:
    import pandas as pd

    return isinstance(value, (pd.DataFrame, pa.Table, pa.RecordBatch))


def table_of(frame: Any) -> pa.Table:
    """Return a pandas frame, with its named index, or an Arrow table as a table."""
    if isinstance(frame, pa.Table):
        return frame
    if isinstance(frame, pa.RecordBatch):
        return pa.Table.from_batches([frame])
    named = any(name is not None for name in frame.index.names)
    frame = frame.reset_index() if named else frame
    names = [str(name) for name in frame.columns]
    columns = [_column(frame.iloc[:, at]) for at in range(len(names))]
    return pa.Table.from_arrays(columns, names=names)


def _column(values: Any) -> Any:
    if values.dtype == object:
        return column(values.tolist())
    made = pa.array(values, from_pandas=True)
    return made.combine_chunks() if isinstance(made, pa.ChunkedArray) else made


def _raised(name: str, error: BaseException, source: YamlSource, at: Location) -> MlpipesError:
    frames = [
        one
        for one in traceback.extract_tb(error.__traceback__)
        if one.filename not in (__file__, user_code.__file__)
    ]
    own = [one for one in frames if "importlib" not in one.filename]
    where = f" at {Path(own[-1].filename).name}:{own[-1].lineno}" if own else ""
    said = (str(error).splitlines() or [""])[0]
    return MlpipesError(
        source.problem(at, f"{name} raised {type(error).__name__}{where}: {said}"), "correct it"
    )
