"""Reads the registry over MLflow's REST API, for servers: MLflow's own client takes seconds to import."""

from __future__ import annotations

import contextlib
import functools
import json
import shutil
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlpipes_cli.adapters.mlflow import rest
from mlpipes_cli.adapters.mlflow.basic_auth import headers
from mlpipes_cli.adapters.mlflow.client import Connection
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.mlflow_tags import MODEL_METADATA
from mlpipes_cli.ports import AliasedVersion
from mlpipes_cli.ports.models import VersionFacts

_API = "/api/2.0/mlflow"
_ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
_PROXIED = "mlflow-artifacts:"
_HISTORY = "mlpipes.history."
_SECONDS = 20.0
_MUCH = 1 << 16  # bytes of an error that are read
_WAITS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)  # seconds before MLflow is asked again


class RestModelSource:
    """Implements :class:`mlpipes_cli.ports.ModelSource`.

    Args:
        uri: The tracking server's ``http(s)://`` address.
        login: MLflow's variables for the login, such as MLFLOW_TRACKING_USERNAME.
    """

    def __init__(self, uri: str, login: Mapping[str, str]) -> None:
        self._uri = uri.rstrip("/")
        self._login = login
        self._library = Connection(self._uri, login=login)

    @functools.cached_property
    def _opener(self) -> urllib.request.OpenerDirector:
        return rest.opener(self._uri, self._login)

    def names(self) -> Sequence[str]:
        found: list[str] = []
        page = ""
        while True:
            answer = self._ask("/registered-models/search", {"max_results": "100", "page_token": page})
            found += [model["name"] for model in answer.get("registered_models", [])]
            page = answer.get("next_page_token", "")
            if not page:
                return found

    def published(self, name: str) -> AliasedVersion | None:
        try:
            model = self._ask("/registered-models/get", {"name": name})["registered_model"]
        except _Missing:
            return None
        aliases = {entry["alias"]: int(entry["version"]) for entry in model.get("aliases", [])}
        return AliasedVersion(name, aliases, _promoted(model.get("tags", []), aliases))

    def fetch(self, name: str, version: int, folder: Path) -> None:
        self._copy(self._place(name, version), folder, f"version {version} of model {name!r}")

    def fetch_logged(self, uri: str, folder: Path) -> None:
        model = urllib.parse.quote(uri.removeprefix("models:/"), safe="")
        try:
            found = self._ask(f"/logged-models/{model}", {})["model"]["info"]
        except _Missing:
            raise MlpipesError(f"MLflow has no model {uri}", "train it again") from None
        self._copy(found["artifact_uri"], folder, f"the model {uri}")

    def read(self, name: str, version: int, path: str, limit: int) -> bytes | None:
        uri = self._place(name, version)
        if not uri.startswith(_PROXIED):
            return self._read_by_mlflow(uri, path, limit)
        root = urllib.parse.urlsplit(uri).path.strip("/")
        try:  # stores differ in their answer to a request for a missing file
            if not any(name == path and not folder for name, folder in self._entries(root)):
                return None
            with self._open(f"{_ARTIFACTS}/{urllib.parse.quote(f'{root}/{path}')}") as answer:
                return bytes(answer.read(limit))
        except _Missing:
            return None

    def tags(self, name: str, version: int) -> Mapping[str, str]:
        try:
            found = self._ask("/model-versions/get", {"name": name, "version": str(version)})["model_version"]
        except _Missing:
            raise _no_version(name, version) from None
        return {tag["key"]: tag["value"] for tag in found.get("tags", [])}

    def _place(self, name: str, version: int) -> str:
        """Return the address of a version's files."""
        try:
            asked = {"name": name, "version": str(version)}
            return str(self._ask("/model-versions/get-download-uri", asked)["artifact_uri"])
        except _Missing:
            raise _no_version(name, version) from None

    def _copy(self, uri: str, folder: Path, what: str) -> None:
        """Copy all files below an address into an empty folder."""
        if not uri.startswith(_PROXIED):
            self._by_mlflow(uri, folder)
            return
        root = urllib.parse.urlsplit(uri).path.strip("/")
        try:
            for path in self._files(root):
                target = folder / path.removeprefix(root).lstrip("/")
                if not target.resolve().is_relative_to(folder.resolve()):
                    raise MlpipesError(f"the artifact {path!r} of {what} points outside its folder")
                target.parent.mkdir(parents=True, exist_ok=True)
                with (
                    self._open(f"{_ARTIFACTS}/{urllib.parse.quote(path)}") as answer,
                    target.open("wb") as out,
                ):
                    shutil.copyfileobj(answer, out, 1 << 20)
        except _Missing:
            raise MlpipesError(f"the files of {what} no longer exist") from None

    def facts(self, name: str, version: int) -> VersionFacts | None:
        try:
            tags, uri = self.tags(name, version), self._place(name, version)
        except _NoVersion:
            return None
        try:
            return VersionFacts(_details(self._description(uri)), tags)
        except _Missing:  # registered, but its files are gone
            return VersionFacts({}, tags)

    def _description(self, uri: str) -> bytes:
        """Return the ``MLmodel`` in a folder of artifacts."""
        if not uri.startswith(_PROXIED):
            with tempfile.TemporaryDirectory(prefix="mlpipes-") as folder:
                self._by_mlflow(f"{uri}/MLmodel", Path(folder))
                return (Path(folder) / "MLmodel").read_bytes()
        path = f"{urllib.parse.urlsplit(uri).path.strip('/')}/MLmodel"
        with self._open(f"{_ARTIFACTS}/{urllib.parse.quote(path)}") as answer:
            return bytes(answer.read())

    def _read_by_mlflow(self, uri: str, path: str, limit: int) -> bytes | None:
        """Return a file below an address that does not go through the server."""
        with self._fetching():
            import mlflow.artifacts

            there = mlflow.artifacts.list_artifacts(artifact_uri=uri)
        if not any(one.path.rsplit("/", 1)[-1] == path and not one.is_dir for one in there):
            return None
        with tempfile.TemporaryDirectory(prefix="mlpipes-") as folder:
            self._by_mlflow(f"{uri}/{path}", Path(folder))
            with (Path(folder) / path).open("rb") as file:
                return file.read(limit)

    def _by_mlflow(self, uri: str, folder: Path) -> None:
        """Copy artifacts that do not go through the server, or of a run whose address MLflow resolves."""
        try:
            with self._fetching():
                import mlflow.artifacts

                place = f"{folder}.download"
                found = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=place))
                if found.is_dir():
                    shutil.copytree(found, folder, dirs_exist_ok=True)
                else:
                    shutil.copy(found, folder)
        finally:
            shutil.rmtree(f"{folder}.download", ignore_errors=True)

    @contextlib.contextmanager
    def _fetching(self) -> Iterator[None]:
        """Use MLflow's library with this server, and turn errors of the store's own library into one line."""
        try:
            with self._library.asked("the model's files"):
                yield
        except Exception as error:  # noqa: BLE001  whatever it is
            line = " ".join(str(error).split())[:300] or type(error).__name__
            raise MlpipesError(f"cannot download the model's files ({line})") from None

    def _files(self, folder: str) -> Iterator[str]:
        """Yield all files below a folder of the artifact store."""
        for name, is_folder in self._entries(folder):
            path = f"{folder}/{name}"
            if is_folder:
                yield from self._files(path)
            else:
                yield path

    def _entries(self, folder: str) -> Iterator[tuple[str, bool]]:
        """Yield the names in one level of a folder of the artifact store, and whether each is a folder."""
        with self._open(f"{_ARTIFACTS}?{urllib.parse.urlencode({'path': folder})}") as answer:
            entries = json.load(answer).get("files", [])
        for entry in entries:
            yield entry["path"].rsplit("/", 1)[-1], bool(entry.get("is_dir"))

    def _ask(self, path: str, parameters: Mapping[str, str]) -> Any:
        given = urllib.parse.urlencode({name: value for name, value in parameters.items() if value})
        with self._open(f"{_API}{path}?{given}") as answer:
            return json.load(answer)

    def _open(self, path: str) -> Any:
        """Send a request to MLflow; repeat it after a short wait on a transient error, as its client does.

        While the object store starts, MLflow answers requests for artifacts with 500.

        Raises:
            _Missing: It answered 404.
            MlpipesError: It does not answer, or still fails after the last wait.
        """
        for wait in (*_WAITS, None):
            try:
                return self._open_once(path)
            except _Passing as error:
                if wait is None:
                    raise MlpipesError(str(error), "see `mlpipes status`") from None
                time.sleep(wait)
        raise AssertionError  # the last wait is None

    def _open_once(self, path: str) -> Any:
        request = urllib.request.Request(self._uri + path, headers=headers(self._login))  # noqa: S310
        try:
            return self._opener.open(request, timeout=_SECONDS)
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 404 or (error.code == 500 and _is_missing_object(error.read(_MUCH))):
                    raise _Missing from None
                reason = f"{error.code} {error.reason}"
            kind = _Passing if error.code == 429 or error.code >= 500 else MlpipesError
        except rest.FAULTS as error:
            cause = rest.cause(error)
            reason = str(cause) or type(error).__name__
            kind = _Passing if rest.is_dropped(cause) else MlpipesError
        raise kind(f"MLflow does not answer ({reason})", "see `mlpipes status`")


class _Passing(MlpipesError):
    """A transient error: the server's own error, too many requests, or a dropped connection."""


def _is_missing_object(body: bytes) -> bool:
    """Return whether MLflow reports that the object store has no such key: MLflow answers 500 for that."""
    return b"(404) when calling the HeadObject" in body or b"(NoSuchKey)" in body


class _Missing(MlpipesError):
    """The server answered 404."""

    def __init__(self) -> None:
        super().__init__("MLflow has no record of it")


class _NoVersion(MlpipesError):
    """There is no such version, or no such model."""


def _no_version(name: str, version: int) -> _NoVersion:
    return _NoVersion(f"model {name!r} has no version {version}", "see `mlpipes models`")


def _details(description: bytes) -> Mapping[str, Any]:
    """Return the part of an ``MLmodel`` that mlpipes wrote."""
    import yaml

    from mlpipes_cli.config import yaml_bounds

    try:
        document = yaml_bounds.load(description)
        return dict(document["metadata"][MODEL_METADATA])
    except (yaml.YAMLError, KeyError, TypeError, ValueError):
        return {}


def _promoted(tags: Sequence[Mapping[str, str]], aliases: Mapping[str, int]) -> dict[str, str]:
    """Return when each alias was moved to its version, by the history in the model's tags."""
    found: dict[str, str] = {}
    for tag in sorted(tags, key=lambda tag: tag["key"]):
        if not tag["key"].startswith(_HISTORY):
            continue
        try:
            event = json.loads(tag["value"])
        except ValueError:
            continue
        alias = event.get("alias") if isinstance(event, dict) else None
        if not isinstance(alias, str):  # any client may write such tags
            continue
        if event.get("state") == "done" and alias in aliases and event.get("to_version") == aliases[alias]:
            found[alias] = str(event.get("when", ""))
    return found
