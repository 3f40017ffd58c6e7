"""Queries in files and functions in modules that clean steps name."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli.config.dataset.checks import one_statement
from mlpipes_cli.config.dataset.config import DatasetConfig
from mlpipes_cli.config.yaml_source import Location, YamlSource
from mlpipes_cli.data import user_code
from mlpipes_cli.errors import ConfigError, MlpipesError
from mlpipes_cli.suggest import did_you_mean

if TYPE_CHECKING:
    import pandas as pd


class StepCode:
    """The code of a data set's clean steps, read once.

    Args:
        config: ``dataset.yaml``.
        source: Its lines.
        folder: Its folder, where .sql files are.
        root: The project's folder, where modules are.

    Attributes:
        texts: The queries of ``sql`` steps, by position.
        calls: The functions of ``function`` steps, by position.
        digests: SHA-256 of the modules of these functions, by position.

    Raises:
        ConfigError: A file or a function does not exist.
    """

    def __init__(self, config: DatasetConfig, source: YamlSource, folder: Path, root: Path) -> None:
        self._source, self._folder, self._root = source, folder, root
        self.texts: dict[int, str] = {}
        self.calls: dict[int, Callable[[pd.DataFrame], pd.DataFrame]] = {}
        self.digests: dict[int, str] = {}
        for position, step in enumerate(config.clean):
            if step.sql is not None:
                self.texts[position] = self._text(step.sql, ("clean", position, "sql"))
            if step.function is not None:
                self._function(step.function, position)

    def _text(self, text: str, at: Location) -> str:
        if not text.endswith(".sql") or len(text.split()) > 1:
            return text
        path = self._folder / text
        try:
            return one_statement(path.read_text(encoding="utf-8-sig"))
        except FileNotFoundError:
            near = did_you_mean(text, [one.name for one in path.parent.glob("*.sql")])
            raise self._wrong(at, f"{text}: no such file{near}") from None
        except UnicodeDecodeError:
            raise self._wrong(at, f"{text}: not UTF-8") from None
        except OSError as error:
            raise self._wrong(at, f"{text}: {error.strerror}") from None
        except ValueError as error:
            raise self._wrong(at, f"{text}: {error}") from None

    def _function(self, path: str, position: int) -> None:
        at: Location = ("clean", position, "function")
        name, _, attribute = path.partition(":")
        with self._imports():
            try:
                module = _imported(name, self._root)
            except ModuleNotFoundError as error:
                if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
                    modules = [one.stem for one in self._root.glob("*.py")]
                    said = f"no module {name!r} in the project's folder{did_you_mean(name, modules)}"
                else:
                    said = f"{name!r} needs the module {error.name!r}, which is not installed"
                raise self._wrong(at, said) from None
            except SyntaxError as error:
                where = f"{Path(error.filename or name).name}:{error.lineno}"
                raise self._wrong(at, f"{where}: {error.msg}") from None
            except (Exception, SystemExit) as error:  # noqa: BLE001  users' code may raise anything
                raise self._wrong(at, f"{name!r} cannot be imported: {_said(error, self._root)}") from None
        function = getattr(module, attribute, None)
        if not callable(function):
            known = [one for one in dir(module) if not one.startswith("_")]
            raise self._wrong(at, f"no function {attribute!r} in {name!r}{did_you_mean(attribute, known)}")
        file = getattr(module, "__file__", None)
        if file is not None:
            self.digests[position] = hashlib.sha256(Path(file).read_bytes()).hexdigest()
        self.calls[position] = self._call(function, path, at)

    def _call(self, function: Any, path: str, at: Location) -> Callable[[pd.DataFrame], pd.DataFrame]:
        def call(frame: pd.DataFrame) -> pd.DataFrame:
            import pandas as pd

            try:
                with self._imports():
                    found = function(frame)
            except MlpipesError:
                raise
            except (Exception, SystemExit) as error:  # noqa: BLE001  as above
                reason = self._source.problem(at, f"{path} failed: {_said(error, self._root)}")
                raise MlpipesError(reason, "mend the function; the version before is still there") from None
            if not isinstance(found, pd.DataFrame):
                what = "nothing" if found is None else f"a {type(found).__name__}"
                reason = self._source.problem(at, f"{path} returned {what}; it must return a pandas frame")
                raise MlpipesError(reason)
            return found

        return call

    def _wrong(self, at: Location, said: str) -> ConfigError:
        return ConfigError([self._source.problem(at, said)])

    @contextlib.contextmanager
    def _imports(self) -> Iterator[None]:
        """Let modules of the project's folder be imported; what they print goes to standard error."""
        before = list(sys.path)
        sys.path.insert(0, str(self._root))
        try:
            with user_code.running():
                yield
        finally:
            sys.path[:] = before


def _imported(name: str, root: Path) -> Any:
    """Import a module; one of the project's folder anew, since a notebook's process lives long."""
    importlib.invalidate_caches()
    for known, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if (known == name or name.startswith(f"{known}.")) and file and Path(file).is_relative_to(root):
            del sys.modules[known]
    return importlib.import_module(name)


def _said(error: BaseException, root: Path) -> str:
    """Return an error's kind, its first line, and the last line of the project that it passed."""
    text = (str(error).strip().splitlines() or [""])[0]
    frames = [
        one for one in traceback.extract_tb(error.__traceback__) if Path(one.filename).is_relative_to(root)
    ]
    where = f"{Path(frames[-1].filename).relative_to(root)}:{frames[-1].lineno}: " if frames else ""
    return f"{where}{type(error).__name__}: {text}" if text else f"{where}{type(error).__name__}"
