"""The registry over MLflow's REST API, for servers: MLflow's own client takes seconds to import."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import ssl
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlpipes_cli.adapters.mlflow_login import headers
from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.ports import Published
from mlpipes_cli.ports.models import VersionFacts
from mlpipes_cli.run_schema import MODEL_METADATA

_API = "/api/2.0/mlflow"
_ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
_PROXIED = "mlflow-artifacts:"
_HISTORY = "mlpipes.history."
_SECONDS = 20.0


class RestModelSource:
    """Implements :class:`mlpipes_cli.ports.ModelSource`.

    Args:
        uri: The tracking server's ``http(s)://`` address.
        login: MLflow's variables on who asks, such as MLFLOW_TRACKING_USERNAME.
    """

    def __init__(self, uri: str, login: Mapping[str, str]) -> None:
        self._uri = uri.rstrip("/")
        handlers: list[urllib.request.BaseHandler] = []
        if os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() == "true":
            handlers.append(urllib.request.HTTPSHandler(context=ssl._create_unverified_context()))  # noqa: S323
        self._opener = urllib.request.build_opener(*handlers)
        self._headers = headers(login)

    def names(self) -> Sequence[str]:
        found: list[str] = []
        page = ""
        while True:
            answer = self._ask("/registered-models/search", {"max_results": "100", "page_token": page})
            found += [model["name"] for model in answer.get("registered_models", [])]
            page = answer.get("next_page_token", "")
            if not page:
                return found

    def published(self, name: str) -> Published | None:
        try:
            model = self._ask("/registered-models/get", {"name": name})["registered_model"]
        except _Missing:
            return None
        aliases = {entry["alias"]: int(entry["version"]) for entry in model.get("aliases", [])}
        return Published(name, aliases, _promoted(model.get("tags", []), aliases))

    def fetch(self, name: str, version: int, folder: Path) -> None:
        asked = {"name": name, "version": str(version)}
        try:
            uri = self._ask("/model-versions/get-download-uri", asked)["artifact_uri"]
        except _Missing:
            raise MlpipesError(f"model {name!r} has no version {version}", "see `mlpipes models`") from None
        if not uri.startswith(_PROXIED):
            _by_mlflow(uri, folder)
            return
        root = urllib.parse.urlsplit(uri).path.strip("/")
        try:
            for path in self._files(root):
                target = folder / path.removeprefix(root).lstrip("/")
                if not target.resolve().is_relative_to(folder.resolve()):
                    raise MlpipesError(f"the artifact {path!r} of model {name!r} lies outside of its folder")
                target.parent.mkdir(parents=True, exist_ok=True)
                with (
                    self._open(f"{_ARTIFACTS}/{urllib.parse.quote(path)}") as answer,
                    target.open("wb") as out,
                ):
                    shutil.copyfileobj(answer, out, 1 << 20)
        except _Missing:
            raise MlpipesError(f"the files of version {version} of model {name!r} are gone") from None

    def facts(self, name: str, version: int) -> VersionFacts | None:
        asked = {"name": name, "version": str(version)}
        try:
            found = self._ask("/model-versions/get", asked)["model_version"]
            uri = self._ask("/model-versions/get-download-uri", asked)["artifact_uri"]
        except _Missing:
            return None
        tags = {tag["key"]: tag["value"] for tag in found.get("tags", [])}
        try:
            return VersionFacts(_details(self._description(uri)), tags)
        except _Missing:  # registered, but its files are gone
            return VersionFacts({}, tags)

    def _description(self, uri: str) -> bytes:
        """The ``MLmodel`` in a folder of artifacts."""
        if not uri.startswith(_PROXIED):
            with tempfile.TemporaryDirectory(prefix="mlpipes-") as folder:
                _by_mlflow(f"{uri}/MLmodel", Path(folder))
                return (Path(folder) / "MLmodel").read_bytes()
        path = f"{urllib.parse.urlsplit(uri).path.strip('/')}/MLmodel"
        with self._open(f"{_ARTIFACTS}/{urllib.parse.quote(path)}") as answer:
            return bytes(answer.read())

    def _files(self, folder: str) -> Iterator[str]:
        """All files below a folder of the artifact store; the store lists one level, with bare names."""
        with self._open(f"{_ARTIFACTS}?{urllib.parse.urlencode({'path': folder})}") as answer:
            entries = json.load(answer).get("files", [])
        for entry in entries:
            path = f"{folder}/{entry['path'].rsplit('/', 1)[-1]}"
            if entry.get("is_dir"):
                yield from self._files(path)
            else:
                yield path

    def _ask(self, path: str, parameters: Mapping[str, str]) -> Any:
        given = urllib.parse.urlencode({name: value for name, value in parameters.items() if value})
        with self._open(f"{_API}{path}?{given}") as answer:
            return json.load(answer)

    def _open(self, path: str) -> Any:
        request = urllib.request.Request(self._uri + path, headers=self._headers)  # noqa: S310
        try:
            return self._opener.open(request, timeout=_SECONDS)
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 404:
                    raise _Missing from None
                reason = f"{error.code} {error.reason}"
        except (OSError, http.client.HTTPException) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
        raise MlpipesError(f"MLflow does not answer ({reason})", "see `mlpipes status`")


class _Missing(MlpipesError):
    """404."""

    def __init__(self) -> None:
        super().__init__("MLflow does not know it")


def _details(description: bytes) -> Mapping[str, Any]:
    """Our part of an ``MLmodel``."""
    import yaml

    from mlpipes_cli.config import yaml_bounds

    try:
        document = yaml_bounds.load(description)
        return dict(document["metadata"][MODEL_METADATA])
    except (yaml.YAMLError, KeyError, TypeError, ValueError):
        return {}


def _promoted(tags: Sequence[Mapping[str, str]], aliases: Mapping[str, int]) -> dict[str, str]:
    """When each alias came to where it is, as the history in the model's tags has it."""
    found: dict[str, str] = {}
    for tag in sorted(tags, key=lambda tag: tag["key"]):
        if not tag["key"].startswith(_HISTORY):
            continue
        try:
            event = json.loads(tag["value"])
        except ValueError:
            continue
        alias = event.get("alias")
        if event.get("state") == "done" and alias in aliases and event.get("to_version") == aliases[alias]:
            found[alias] = str(event.get("when", ""))
    return found


def _by_mlflow(uri: str, folder: Path) -> None:
    """Artifacts that do not go through the server."""
    import mlflow.artifacts

    try:
        found = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=f"{folder}.download"))
        if found.is_dir():
            shutil.copytree(found, folder, dirs_exist_ok=True)
        else:
            shutil.copy(found, folder)
    except Exception as error:  # noqa: BLE001  whatever the store's own library raises
        line = " ".join(str(error).split())[:300] or type(error).__name__
        raise MlpipesError(f"the model's files cannot be fetched ({line})") from None
    finally:
        shutil.rmtree(f"{folder}.download", ignore_errors=True)
