"""Loads public data sets: those bundled with scikit-learn, those that it downloads, and OpenML's."""

from __future__ import annotations

import contextlib
import importlib
import socket
import warnings
from collections.abc import Iterator
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError

import pandas as pd

from mlpipes_cli.config.yaml_source import Location, YamlSource
from mlpipes_cli.data.origins.source_location import AT, BUNDLED
from mlpipes_cli.data.problems import wrong
from mlpipes_cli.errors import MlpipesError

_TIMEOUT = 30.0


def load_sklearn(name: str, source: YamlSource, at: Location = AT) -> pd.DataFrame:
    """Load a data set of scikit-learn; its target is the column ``target``.

    Raises:
        MlpipesError: The data set has to be downloaded and the server cannot be reached.
    """
    datasets = importlib.import_module("sklearn.datasets")
    if name in BUNDLED:
        frame: pd.DataFrame = getattr(datasets, f"load_{name}")(as_frame=True).frame
        return frame
    with _reaching("scikit-learn's download server", source, at):
        bunch: Any = getattr(datasets, f"fetch_{name}")(as_frame=True)
    renamed: pd.DataFrame = bunch.frame.rename(columns={bunch.target.name: "target"})
    return renamed


def load_openml(number: int, source: YamlSource, at: Location = AT) -> pd.DataFrame:
    """Load a data set of OpenML by its number; downloads are cached where scikit-learn caches them.

    Raises:
        ConfigError: There is no such data set.
        MlpipesError: OpenML cannot be reached.
    """
    datasets = importlib.import_module("sklearn.datasets")
    try:
        with _reaching("openml.org", source, at):
            bunch: Any = datasets.fetch_openml(data_id=number, as_frame=True, parser="auto", n_retries=1)
    except ValueError as error:  # OpenML's own error, or a file that OpenML stores in another format
        raise wrong(source, at, f"openml:{number}: {str(error).splitlines()[0]}") from None
    frame: pd.DataFrame = bunch.frame
    return frame.apply(_numbers_again)


def _numbers_again(column: pd.Series) -> pd.Series:
    """Convert categories that are numbers ('0', '1') to numbers."""
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return column
    numbers: pd.Series = pd.to_numeric(column.astype(object), errors="coerce")
    return numbers if numbers.notna().equals(column.notna()) else column


@contextlib.contextmanager
def _reaching(whom: str, source: YamlSource, at: Location) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scikit-learn's own messages about retries
            yield
    except HTTPError as error:
        if error.code in {404, 412}:
            raise wrong(source, at, f"{whom} has no such data set") from None
        raise MlpipesError(
            source.problem(at, f"{whom} answered {error.code} {error.reason}"), "try again later"
        ) from None
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise MlpipesError(
            source.problem(at, f"{whom} cannot be reached ({reason})"),
            "check the network, or use a local file",
        ) from None
    finally:
        socket.setdefaulttimeout(before)
