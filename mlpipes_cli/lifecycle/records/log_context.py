"""The connection to the prediction log that every command on the log begins with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlpipes_cli.errors import MlpipesError, UsageError
from mlpipes_cli.lifecycle import times
from mlpipes_cli.ports.prediction_records import Selection
from mlpipes_cli.suggest import did_you_mean

if TYPE_CHECKING:
    from mlpipes_cli.ports import Endpoints, ModelSource
    from mlpipes_cli.ports.prediction_records import PredictionRecords
    from mlpipes_cli.project import ProjectFolder


@dataclass(frozen=True)
class Log:
    """The prediction log of a running stack.

    Attributes:
        project: The project.
        records: The prediction log.
        endpoints: The stack's addresses.
    """

    project: ProjectFolder
    records: PredictionRecords
    endpoints: Endpoints

    def registry(self) -> ModelSource:
        """Return the model registry."""
        from mlpipes_cli.adapters import wiring

        return wiring.make_model_source(self.endpoints.tracking_uri, self.endpoints.login)

    def model(self, asked: str | None) -> str:
        """Return the named model, else that of ``serving.model``, else the only one there is.

        Raises:
            UsageError: It has no predictions, or there are several models.
            MlpipesError: No prediction is stored yet.
        """
        known = self.records.models()
        if asked is not None:
            return self.check_model(asked, known)
        wanted = self.project.config.serving.model
        if wanted is not None and wanted in known:
            return wanted
        if not known:
            raise MlpipesError(
                "no predictions are stored yet", "serve a model with `mlpipes serve` and send it requests"
            )
        if len(known) > 1:
            raise UsageError(
                "there are predictions of several models", f"choose one with --model: {', '.join(known)}"
            )
        return known[0]

    def check_model(self, asked: str, known: Sequence[str] | None = None) -> str:
        """Return the name if there are predictions of that model.

        Raises:
            UsageError: There are none.
        """
        known = self.records.models() if known is None else known
        if asked not in known:
            nearest = did_you_mean(asked, known).removeprefix("; ")
            hint = nearest or (
                f"there are predictions of {', '.join(known)}" if known else "none are stored yet"
            )
            raise UsageError(f"--model: there are no predictions of model {asked!r}", hint)
        return asked


def connect(project: ProjectFolder) -> Log:
    """Return the log of the project's running stack, with its tables upgraded.

    Raises:
        MlpipesError: The stack is not running, or its database does not answer.
    """
    from mlpipes_cli.adapters import database_wiring, wiring

    endpoints = wiring.make_runtime(project).endpoints()
    records = database_wiring.make_prediction_records(endpoints.database_url)
    records.prepare()
    return Log(project, records, endpoints)


def selection(
    *,
    model: str | None = None,
    version: int | None = None,
    alias: str | None = None,
    since: str | None = None,
    until: str | None = None,
) -> Selection:
    """Return the selection of predictions from the options.

    Raises:
        UsageError: A time is malformed, or the range is reversed.
    """
    first = None if since is None else times.seconds(since, "--since")
    last = None if until is None else times.seconds(until, "--until")
    if first is not None and last is not None and first >= last:
        raise UsageError("--since is not before --until", "swap them")
    return Selection(model, version, alias, first, last)
