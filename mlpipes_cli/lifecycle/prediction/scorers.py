"""Scores rows through the running API, or with the model in this process."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from mlpipes_cli import server_registry
from mlpipes_cli.data.formats import Formats
from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.lifecycle import serving
from mlpipes_cli.lifecycle.serving import environments as serving_environments
from mlpipes_cli.lifecycle.trust import project_vault
from mlpipes_cli.ports import Reporter
from mlpipes_cli.project import ProjectFolder

if TYPE_CHECKING:
    import httpx
    import pandas as pd

    from mlpipes_cli.server.models.served_model import ServedModel

_TRIES, _LONGEST_WAIT = 8, 10.0


@dataclass(frozen=True)
class ColumnSpec:
    """A column that the model takes: its name, its MLflow type, and whether it is required."""

    name: str
    type: str
    required: bool


class RowScorer(Protocol):
    """Scores batches; ``score`` may be called from ``parallel`` threads."""

    model: str
    version: int
    alias: str
    columns: Sequence[ColumnSpec]
    id: str | None
    target: str | None
    formats: Formats
    parallel: int

    def score(self, batch: pd.DataFrame, start: int) -> pd.DataFrame:
        """Return the result of a batch that begins at ``start``: id, prediction, scores, prediction_id."""


@contextlib.contextmanager
def running_scorer(
    project: ProjectFolder, _: Reporter, model: str | None, alias: str | None, api_key: str | None = None
) -> Iterator[RowScorer]:
    """Return a scorer for the project's running API, with a key if one is given.

    Raises:
        UsageError: The key is malformed.
        MlpipesError: No API runs, or it does not answer.
    """
    import httpx

    headers = _with_key(api_key)
    url = _chosen(project, model, alias, headers)
    timeout = httpx.Timeout(120, connect=5)
    with httpx.Client(
        base_url=url, headers=headers, timeout=timeout, trust_env=False, verify=_encrypted(url)
    ) as client:
        yield _Api(client, url)


def _encrypted(url: str) -> bool:
    """Return whether certificates are needed: reading those of the machine takes 20 ms."""
    return url.startswith("https:")


def _chosen(project: ProjectFolder, model: str | None, alias: str | None, headers: dict[str, str]) -> str:
    """Return the API to use: among several models, the one of mlpipes.yaml unless another is named."""
    if model is None and len(served := _served(project)) > 1:
        if project.config.serving.model not in served:
            names = ", ".join(sorted(served))
            raise UsageError(f"several models are served: {names}", "choose one with --model NAME")
        model = project.config.serving.model
    found = server_registry.find(project, model, alias)
    url = found[0].url if found else _in_a_container(project, model, alias, headers)
    if url is None:
        raise MlpipesError(*_no_api(project, model, alias))
    return url


def _served(project: ProjectFolder) -> set[str]:
    """Return the models that are served by an API which runs, or should run."""
    from mlpipes_cli.adapters import wiring
    from mlpipes_cli.lifecycle.serving import api_names

    specs = wiring.remembered_services(project)
    models = {api_names.target_of(spec).model for name, spec in specs.items() if api_names.is_api(name)}
    return {model for model in models if model} | {api.model for api in server_registry.find(project)}


def _no_api(project: ProjectFolder, model: str | None, alias: str | None) -> tuple[str, str]:
    """Return the error that no API runs, and the hint."""
    named = [f"{kind} {name!r}" for kind, name in (("model", model), ("alias", alias)) if name]
    which = f" for {' and '.join(named)}" if named else ""
    start = "start one with `mlpipes serve`, or add --offline"
    if mlflows := server_registry.find(project, model, alias, engine="mlflow"):
        note = f"; MLflow's server of {mlflows[0].model!r} at {mlflows[0].url} stores no predictions"
        return f"no API{which} is running{note}", start
    return f"no API{which} is running", start


def _with_key(api_key: str | None) -> dict[str, str]:
    if api_key is None or not api_key.strip():
        return {}
    key = api_key.strip()
    if not (key.isascii() and key.isprintable()):
        raise UsageError("the API key contains invalid characters", "see `mlpipes keys list`")
    return {"X-API-Key": key}


def _in_a_container(
    project: ProjectFolder, model: str | None, alias: str | None, headers: dict[str, str]
) -> str | None:
    """Return the address of the stack's own API, if it runs and serves that model."""
    import httpx

    from mlpipes_cli.adapters import wiring

    try:
        url = wiring.make_runtime(project).endpoints().environment().get("MLPIPES_API_URL")
        if not url:
            return None
        answer = httpx.get(
            f"{url}/version", headers=headers, timeout=10, trust_env=False, verify=_encrypted(url)
        )
        if answer.status_code == 401:
            return url  # the next request reports this
        version = answer.json()
    except (MlpipesError, httpx.HTTPError, ValueError):
        return None
    fits = model in (None, version.get("name")) and alias in (None, version.get("alias"))
    return url if fits else None


class _Api:
    parallel = 4

    def __init__(self, client: httpx.Client, url: str) -> None:
        self._client, self._url = client, url
        version = self._asked("GET", "/version", None, 0).json()
        self.model, self.version, self.alias = version["name"], version["version"], version["alias"]
        self.columns: Sequence[ColumnSpec] = [ColumnSpec(**column) for column in version["inputs"]]
        self.id, self.target, self._classes = version["id"], version["target"], version["classes"]
        self.formats = Formats.of_model(version)

    def score(self, batch: pd.DataFrame, start: int) -> pd.DataFrame:
        from mlpipes_cli.server.predictions.jsonb import plain

        body = {name: plain(batch[name].tolist()) for name in batch.columns}
        answer = self._asked("POST", "/predict", body, start, len(batch)).json()
        name = _id_name(batch, self.id, {column.name for column in self.columns})
        ids = None if name is None else batch[name].tolist()
        made = _result(name, ids, answer["predictions"], answer["scores"], self._classes)
        made["prediction_id"] = answer["prediction_ids"]
        return made

    def _asked(self, method: str, path: str, body: Any, start: int, rows: int = 0) -> httpx.Response:
        import httpx

        for left in reversed(range(_TRIES)):
            try:
                answer = self._client.request(method, path, json=body)
            except httpx.TransportError as error:
                when = f"after {start} rows" if rows else "at all"
                raise MlpipesError(
                    f"the API at {self._url} does not respond {when} ({type(error).__name__})",
                    "see `mlpipes status`; start the API with `mlpipes serve`, or add --offline",
                ) from None
            if answer.status_code != 503 or not left:
                break
            time.sleep(min(_seconds(answer.headers.get("retry-after")), _LONGEST_WAIT))
        if answer.status_code == 200:
            return answer
        raise _refused(answer, start, rows)


def _seconds(header: str | None) -> float:
    try:
        return max(float(header or 1), 0.1)
    except ValueError:
        return 1.0


def _refused(answer: httpx.Response, start: int, rows: int) -> MlpipesError:
    try:
        message = str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        message = answer.text[:200] or f"status {answer.status_code}"
    where = f"rows {start + 1} to {start + rows}: " if rows else ""
    if answer.status_code == 401:
        hint = "set MLPIPES_API_KEY or use --api-key; `mlpipes keys create NAME` creates a key"
        return MlpipesError(f"{where}the API refused the request: {message.split(';')[0]}", hint)
    if answer.status_code == 413:
        return UsageError(f"{where}{message}", "use a smaller --batch-size")
    if "the model itself failed" in message:  # nothing that the file could be blamed for
        return MlpipesError(f"{where}{message}", "see `mlpipes logs api`")
    if answer.status_code in (400, 422):
        return UsageError(f"{where}{message}", "correct the file")
    if answer.status_code < 500:
        return MlpipesError(
            f"{where}the API refused the request: {message}", "see `mlpipes status` and `mlpipes logs api`"
        )
    return MlpipesError(f"{where}the API failed: {message}", "nothing was written; see `mlpipes logs api`")


@contextlib.contextmanager
def offline_scorer(
    project: ProjectFolder, reporter: Reporter, model: str | None, alias: str | None
) -> Iterator[RowScorer]:
    """Return a scorer with the model in this process, or in one of the environment that trained it.

    Raises:
        Untrusted: The model is not signed.
        MlpipesError: The stack is down, nothing was promoted, or the model does not load.
    """
    plan = serving.make_plan(project, model=model, alias=alias)
    os.environ.update(plan.endpoints.environment())
    vault = project_vault.of(project, plan.endpoints)
    with contextlib.ExitStack() as stack:
        with reporter.task(f"loading {plan.title}"):
            from mlpipes_cli.server.models.loader import load

            folder = stack.enter_context(project_vault.fetched(vault, plan.model, plan.version))
            found = serving_environments.interpreters(reporter.info, plan.model)
            served = load(folder, plan.model, plan.version, plan.alias, interpreters=found)
        try:
            yield _Offline(served)
        finally:
            if served.elsewhere is not None:
                served.elsewhere.close()


class _Offline:
    parallel = 1

    def __init__(self, served: ServedModel) -> None:
        self._served = served
        self.model, self.version, self.alias = served.name, served.version, served.alias
        self.columns: Sequence[ColumnSpec] = [
            ColumnSpec(column.name, column.type, column.required) for column in served.columns
        ]
        self.id, self.target = served.details.get("id"), served.details.get("target")
        self.formats = Formats.of_model(served.details)

    def score(self, batch: pd.DataFrame, start: int) -> pd.DataFrame:
        from mlpipes_cli.server.predictions.stored_rows import listed
        from mlpipes_cli.server.requests.column_conversion import Unfit, fitted

        served = self._served
        name = _id_name(batch, self.id, {column.name for column in self.columns})
        features = batch.drop(columns=[name]) if name else batch
        try:
            named = bool(served.columns)
            asked = (
                fitted(features, served, encoded=False) if named else served.mlflow.enforce(features, None)[0]
            )
            outcome = served.predict(asked)
        except Unfit as error:
            message = f"rows {start + 1} to {start + len(batch)}: {error}"
            raise UsageError(message, "correct the file") from None
        except Exception as error:  # noqa: BLE001  a model may raise anything
            line = " ".join(str(error).split())[:300]
            raise MlpipesError(
                f"rows {start + 1} to {start + len(batch)}: the model failed: {line or type(error).__name__}",
                "compare the rows with the training data",
            ) from None
        ids = None if name is None else batch[name].tolist()
        classes = served.details.get("classes")
        return _result(name, ids, listed(outcome.raw), outcome.scores, classes)


def _id_name(batch: pd.DataFrame, name: str | None, features: set[str]) -> str | None:
    return next((n for n in (name, "id") if n and n in batch.columns and n not in features), None)


def _result(
    id_name: str | None, ids: list[Any] | None, predictions: list[Any], scores: list[Any] | None, classes: Any
) -> pd.DataFrame:
    import pandas as pd

    made: dict[str, Any] = {} if id_name is None else {id_name: pd.Series(ids, dtype=object)}
    made["prediction"] = predictions
    if scores and isinstance(scores[0], list):
        labels = classes if classes and len(classes) == len(scores[0]) else range(len(scores[0]))
        for position, label in enumerate(labels):
            made[f"score_{label}"] = [row[position] for row in scores]
    elif scores is not None:
        made["score"] = scores
    return pd.DataFrame(made)
