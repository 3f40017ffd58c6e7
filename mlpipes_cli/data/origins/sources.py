"""Loads the ``source:`` of an experiment into a frame of its rows.

Importing this module is cheap: the first :func:`load` imports pandas and the clients.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlpipes_cli.config.experiment import Data
from mlpipes_cli.config.source import FunctionSource, QuerySource
from mlpipes_cli.config.yaml_source import YamlSource
from mlpipes_cli.data.columns import missing
from mlpipes_cli.data.csv_files.header import Unreadable, read_header
from mlpipes_cli.data.formats import Formats
from mlpipes_cli.data.origins import image_files
from mlpipes_cli.data.origins.source_location import AT, SourceLocation, locate
from mlpipes_cli.data.problems import wrong
from mlpipes_cli.data.readers import downloads, opening, resolve
from mlpipes_cli.data.readers.resolve import TEXTS
from mlpipes_cli.errors import ConfigError
from mlpipes_cli.local_files import temporary_folders
from mlpipes_cli.ports.data_sets.datasets import SPLIT
from mlpipes_cli.project import PROJECT_FILE
from mlpipes_cli.suggest import did_you_mean

if TYPE_CHECKING:
    import pandas as pd

    from mlpipes_cli.data.origins.files import Read
    from mlpipes_cli.data.readers.inputs import Input


def check_columns_cheaply(data: Data, base: Path, source: YamlSource) -> None:
    """Check what can be checked without reading the data: the source, and the header of a CSV file.

    Args:
        data: The ``data:`` of the experiment.
        base: The folder of the experiment's file; relative paths start there.
        source: The experiment's file.

    Raises:
        ConfigError: No such file or data set, not a CSV file, or missing columns.
    """
    place = locate(data, base, source)
    if place.kind == "images":
        if problems := missing([image_files.IMAGE, data.target, image_files.FILE], data, source):
            raise ConfigError(problems)
        return
    if place.path is None or opening.kind(place.path.name) not in TEXTS:
        return
    try:
        header = read_header(place.path, data.separator, names=data.header)
    except Unreadable as error:
        raise wrong(source, AT, error.of(place.shown)) from None
    if problems := missing(header.columns, data, source):
        raise ConfigError(problems)


def load(
    data: Data,
    base: Path,
    source: YamlSource,
    *,
    database_url: str | None,
    environ: Mapping[str, str],
    formats: Formats | None = None,
) -> pd.DataFrame:
    """Return the rows of :func:`read`."""
    return read(data, base, source, database_url=database_url, environ=environ, formats=formats).frame


def read(
    data: Data,
    base: Path,
    source: YamlSource,
    *,
    database_url: str | None,
    environ: Mapping[str, str],
    formats: Formats | None = None,
) -> Read:
    """Read all rows of an experiment's source; return them with notes and warnings.

    Args:
        data: The ``data:`` of the experiment.
        base: The folder of the experiment's file; relative paths start there.
        source: The experiment's file.
        database_url: URL of the project's own database for the read-only role; None if ``up`` has not created
            the role.
        environ: The environment for ``$NAME`` and the AWS variables.
        formats: The table formats, if not those of ``data``.

    Raises:
        ConfigError: The source does not exist or cannot be read.
        MlpipesError: A server cannot be reached or refuses.
    """
    place = locate(data, base, source)
    found = _read(place, data, base, source, database_url, environ, formats or Formats.of(data))
    if data.images is None or not data.images.columns:
        return found
    here = ("data", "images", "columns")
    if unknown := [name for name in data.images.columns if name not in found.frame.columns]:
        raise wrong(source, here, f"no column {unknown[0]!r}{did_you_mean(unknown[0], found.frame.columns)}")
    try:
        start = place.path.parent if place.kind == "file" and place.path else base
        return replace(found, frame=image_files.fill(found.frame, data.images.columns, start))
    except image_files.NotImages as error:
        raise wrong(source, here, str(error)) from None


def _read(
    place: SourceLocation,
    data: Data,
    base: Path,
    source: YamlSource,
    database_url: str | None,
    environ: Mapping[str, str],
    formats: Formats,
) -> Read:
    from mlpipes_cli.data import typed_columns
    from mlpipes_cli.data.origins.files import Read

    parts = None
    if place.kind == "dataset":
        from mlpipes_cli.data.origins import dataset_source

        version = dataset_source.find_version(data, source, database_url)
        data, rows = (
            dataset_source.settings(version, data),
            dataset_source.load_version(version, source, database_url),
        )
        found, parts = Read(rows.frame, formats, data=data), rows.parts
    elif place.kind == "file":
        found = _read_file(place.path or base, place.shown, data, source, formats)
    elif place.kind in ("files", "http"):
        found = _read_inputs(place, data, base, source, formats)
    elif place.kind == "s3":
        from mlpipes_cli.data.origins.s3 import load_s3

        found = load_s3(place.name, data, source, environ, formats)
    elif place.kind == "fetched":
        found = _fetched(place, data, base, source, database_url, environ, formats)
    else:
        found = Read(_load(place, data, base, source), formats)
    aside = (data.target, data.id, data.weights or None, data.split.group, *data.drop)
    try:
        found = typed_columns.settled(found, place.shown, aside=aside)
        if parts is None:
            return found
        written = dataset_source.formats(version, found.formats)
        return replace(found, frame=found.frame.assign(**{SPLIT: parts}), formats=written)
    except typed_columns.TypeMismatch as error:
        raise wrong(source, AT, f"{place.shown}: {error}") from None


def _load(place: SourceLocation, data: Data, base: Path, source: YamlSource) -> pd.DataFrame:
    if place.kind == "images":
        try:
            return image_files.read_folder(place.path or base, data.target, data.images)
        except image_files.NotImages as error:
            raise wrong(source, AT, str(error)) from None
    from mlpipes_cli.data.origins import catalogs

    if place.kind == "openml":
        return catalogs.load_openml(int(place.name), source)
    return catalogs.load_sklearn(place.name, source)


def _fetched(
    place: SourceLocation,
    data: Data,
    base: Path,
    source: YamlSource,
    database_url: str | None,
    environ: Mapping[str, str],
    formats: Formats,
) -> Read:
    from mlpipes_cli.data.origins.files import Read, read_inputs, typed_rows
    from mlpipes_cli.data.origins.order import by_content
    from mlpipes_cli.data.readers.fetching import Fetching

    root = next((one for one in (base, *base.absolute().parents) if (one / PROJECT_FILE).is_file()), base)
    with Fetching(data.source, base, source, AT, database_url, root, formats, environ) as fetching:
        inputs = [_opened(opened, shown, source) for shown, opened in fetching.inputs()]
        resolve.check_same_columns(inputs, source, AT)
        try:
            if not isinstance(data.source, str | QuerySource | FunctionSource):
                return read_inputs(inputs, formats)
            frame = typed_rows(inputs[0])
        except Unreadable as error:
            raise wrong(source, AT, error.of(place.shown)) from None
    if isinstance(data.source, FunctionSource):
        return Read(frame, formats)
    return Read(by_content(frame, data.source), formats)


def _opened(opened: Callable[[], Input], shown: str, source: YamlSource) -> Input:
    try:
        made = opened()
        made.names()
    except Unreadable as error:
        raise wrong(source, AT, error.of(shown)) from None
    return made


def _read_inputs(place: SourceLocation, data: Data, base: Path, source: YamlSource, formats: Formats) -> Read:
    from mlpipes_cli.data.origins.files import read_inputs, read_table

    try:
        if place.kind == "http":
            with temporary_folders.folder("mlpipes-download-") as folder:
                path = downloads.download(place.name, folder, source, AT)
                return read_table(path, formats, place.shown, data.id)
        files = resolve.files(place.name, base, source, AT)
        if len(files) == 1:
            return read_table(*files[0][:1], formats, files[0][1], data.id)
        inputs = [resolve.open_file(path, shown, formats) for path, shown in files]
        resolve.check_same_columns(inputs, source, AT)
        return read_inputs(inputs, formats)
    except Unreadable as error:
        raise wrong(source, AT, error.of(place.shown)) from None


def _read_file(path: Path, shown: str, data: Data, source: YamlSource, formats: Formats) -> Read:
    from mlpipes_cli.data.origins.files import read_table

    try:
        return read_table(path, formats, shown, data.id)
    except Unreadable as error:
        raise wrong(source, AT, error.of(shown)) from None
    except MemoryError:
        raise wrong(source, AT, f"{shown} does not fit into memory") from None
