"""Methods from an experiment file to a served model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mlpipes_cli.api import results
from mlpipes_cli.api.base import Base, File
from mlpipes_cli.errors import Refused
from mlpipes_cli.tabular import TableRows

if TYPE_CHECKING:
    from mlpipes_cli.lifecycle.promotion.history_events import HistoryEvent
    from mlpipes_cli.lifecycle.promotion.verdict import Verdict
    from mlpipes_cli.lifecycle.reports.card import ModelCard
    from mlpipes_cli.lifecycle.serving import Served
    from mlpipes_cli.lifecycle.serving.image import BuildResult
    from mlpipes_cli.lifecycle.serving.keys import Created, KeyRow
    from mlpipes_cli.lifecycle.training import DryRun, TrainRequest


class ModelMethods(Base):
    """Methods that train, compare, promote and serve models."""

    def train(
        self,
        file: File = "experiment.yaml",
        *,
        only: Sequence[str] = (),
        parallel: int | None = None,
        resume: bool = False,
        force: bool = False,
    ) -> results.TrainingResult:
        """Train the candidates of an experiment file, each in a process of its own.

        A candidate that fails does not end the others and raises nothing: its ``status`` and ``error`` report
        it, and ``raise_for_status()`` of the result raises an error.

        Args:
            file: The experiment file, relative to the project's folder, else to the current one.
            only: Names of the candidates; all if empty.
            parallel: Number of candidates at a time; None for as many as there are cores.
            resume: Continue the last session: train its unfinished candidates.
            force: Also train candidates again that were trained on the same data.

        Raises:
            ConfigError: The file, or the data for it, has mistakes.
            UsageError: There is no such file or candidate.
            MlpipesError: The stack is not running.
        """
        from mlpipes_cli.lifecycle import training

        events = self._events
        request = self._request(file, only, parallel=parallel, resume=resume, force=force)
        return results.training(training.train(lambda: self._settings, request, events, events))

    def plan(self, file: File = "experiment.yaml", *, only: Sequence[str] = ()) -> DryRun:
        """Check an experiment file and its data, and return what would run, as ``train --dry-run``.

        Raises:
            ConfigError: The file, or the data for it, has mistakes.
            UsageError: There is no such file or candidate.
        """
        from mlpipes_cli.lifecycle import training

        return training.dry_run(lambda: self._settings, self._request(file, only), self._events)

    def _request(
        self,
        file: File,
        only: Sequence[str],
        *,
        parallel: int | None = None,
        resume: bool = False,
        force: bool = False,
    ) -> TrainRequest:
        from mlpipes_cli.lifecycle import training

        path = self._file(file)
        return training.TrainRequest(
            file=path,
            shown_as=str(file),
            only=tuple(only),
            parallel=parallel,
            resume=resume,
            force=force,
        )

    def leaderboard(
        self, experiment: str | None = None, *, metric: str | None = None, holdout: str | None = None
    ) -> results.Leaderboard:
        """Return the candidates of an experiment that were scored on the same rows, best first.

        Args:
            experiment: A name or an experiment file; the default is the project's own, else the newest.
            metric: The metric to sort by; the default is the metric that decides the promotion.
            holdout: The start of the holdout's fingerprint; the default is that of the newest run.

        Raises:
            UsageError: There is no such experiment or holdout, it has no runs, or the metric is not for its
                kind of target.
            MlpipesError: The stack is not running.
        """
        from mlpipes_cli.lifecycle.leaderboard import leaderboard

        if experiment is not None and experiment.endswith((".yaml", ".yml")):
            experiment = str(self._file(experiment))
        board = leaderboard(self._settings, experiment=experiment, metric=metric, holdout=holdout)
        if board.few_rows:
            self._events.warn(board.few_rows)
        return results.leaderboard(board)

    def models(self) -> TableRows:
        """Return the registered models with their versions and aliases, by name, newest version first.

        Raises:
            MlpipesError: The stack is not running.
        """
        from mlpipes_cli.lifecycle.promotion import listing

        return TableRows(listing.models(self._settings), listing.ModelRow)

    def trust(
        self,
        *versions: int,
        model: str | None = None,
        everything: bool = False,
        reason: str = "",
        dry_run: bool = False,
    ) -> TableRows:
        """Trust the present files of versions that this project did not train, so that they can be loaded.

        Loading a model runs its code.

        Raises:
            UsageError: There is no such model or version, or none was named.
            MlpipesError: The stack is not running.
        """
        from mlpipes_cli.lifecycle.trust import trust

        rows = trust.trust(
            self._settings,
            self._events,
            versions=versions,
            model=model,
            everything=everything,
            reason=reason,
            dry_run=dry_run,
        )
        return TableRows(rows, trust.TrustResult)

    def promote(
        self,
        *,
        metric: str | None = None,
        experiment: str | None = None,
        run: str | None = None,
        to: str = "production",
        to_project: str | Path | None = None,
        reason: str = "",
        dry_run: bool = False,
    ) -> Verdict:
        """Move the alias to the best run, if it passes the gates and beats the present champion.

        Args:
            metric: Selects the best run and judges it.
            experiment: The experiment; the default is the newest.
            run: A run id or a candidate's name instead of the best run.
            to: The alias.
            to_project: The folder of another project, relative to this one's: the version that is served, or
                that of ``run``, is copied to it and promoted there, by its gates and against its champion.
            reason: Kept in the history.
            dry_run: Decide, and change nothing.

        Raises:
            Refused: A gate or the comparison rejected the run; ``error.result`` is the verdict.
            UsageError: There is no such run, experiment or metric.
            MlpipesError: The stack is not running.
        """
        from mlpipes_cli.lifecycle.promotion import promote as verb
        from mlpipes_cli.lifecycle.promotion.challenger import PromotionRequest

        request = PromotionRequest(metric=metric, experiment=experiment, run=run, alias=to, reason=reason)
        if to_project is None:
            verdict = verb.promote(self._settings, request, self._events, dry_run=dry_run)
        else:
            from mlpipes_cli.lifecycle.promotion.projects import promote as across

            settings, where = self._settings, str(to_project)
            verdict = across.promote(settings, where, settings.root, request, self._events, dry_run=dry_run)
        if verdict.outcome == "refused":
            raise Refused(f"not promoted: {verdict.reason}", verdict.hint, verdict)
        return verdict

    def report(
        self,
        run: str | None = None,
        *,
        experiment: str | None = None,
        metric: str | None = None,
        to: str = "production",
        output: File | None = None,
    ) -> ModelCard:
        """Return a model card: data, metrics, plots, the leaderboard and the verdict of the promotion test.

        Args:
            run: A run id or a candidate's name instead of the best run.
            experiment: The experiment; the default is the newest.
            metric: Selects the best run and compares it.
            to: The alias whose version it is compared with; no alias is moved.
            output: Write a ``.md`` file with the plots in a folder beside it, or one ``.html`` page; a report
                that is there is replaced.

        Raises:
            UsageError: There is no such run, experiment or metric, or the file cannot be one.
            MlpipesError: The stack is not running, or nothing was trained.
        """
        from mlpipes_cli.lifecycle.promotion.challenger import PromotionRequest
        from mlpipes_cli.lifecycle.reports import report as verb

        request = PromotionRequest(metric=metric, experiment=experiment, run=run, alias=to)
        file = None if output is None else verb.ReportFile(Path(output))
        return verb.report(self._settings, self._events, request, file)

    def rollback(self, *, model: str | None = None, to: str = "production", reason: str = "") -> HistoryEvent:
        """Return the alias to the version that held it before.

        Raises:
            UsageError: There is no such model.
            MlpipesError: No version held it before, or the stack is not running.
        """
        from mlpipes_cli.lifecycle.promotion.rollback import rollback

        return rollback(self._settings, self._events, model=model, alias=to, reason=reason)

    def history(self, *, model: str | None = None) -> TableRows:
        """Return all promotions and rollbacks, newest first, from the commit to the first answered request.

        Raises:
            MlpipesError: The stack is not running.
        """
        from mlpipes_cli.lifecycle.promotion import history

        return TableRows(history.history(self._settings, model=model), history.HistoryRow)

    def serve(
        self,
        *,
        model: str | None = None,
        engine: Literal["api", "mlflow"] = "api",
        alias: str | None = None,
        host: str = "127.0.0.1",
        port: int | None = None,
        workers: int | None = None,
    ) -> Served:
        """Serve a promoted model as a service of the stack, as ``serve --detach``; ``down()`` stops it.

        Raises:
            UsageError: There is no such model, or there are several and none was named.
            MlpipesError: No model was promoted, the model is not signed, or the server does not start.
        """
        from mlpipes_cli.lifecycle import serving

        plan = serving.make_plan(
            self._settings, model=model, engine=engine, alias=alias, host=host, port=port, workers=workers
        )
        return serving.detach(plan, self._events)

    def build(
        self,
        *,
        model: str | None = None,
        alias: str | None = None,
        version: int | None = None,
        tag: str | Sequence[str] = (),
        push: str | Sequence[str] = (),
        sbom: File | None = None,
        platform: str | None = None,
    ) -> BuildResult:
        """Build a Docker image of the API with the model inside; it needs nothing but a database.

        Args:
            model: The registered model.
            alias: The alias of the version.
            version: The version instead of an alias.
            tag: One name or several; the default is ``mlpipes-MODEL:VERSION``.
            push: Names ``REGISTRY/NAME:TAG`` to push it to, with the logins of Docker's own configuration.
            sbom: Write the bill of materials, a CycloneDX document, to this file.
            platform: Such as ``linux/arm64``; the default is the engine's own.

        Raises:
            UsageError: There is no such model, or a name is not valid.
            MlpipesError: No model was promoted, there is no Docker engine, a step of the build failed, or a
                registry did not take the image.
        """
        from mlpipes_cli.lifecycle.serving import image

        return image.build(
            self._settings,
            self._events,
            model=model,
            alias=alias,
            version=version,
            tags=(tag,) if isinstance(tag, str) else tag,
            push=(push,) if isinstance(push, str) else push,
            sbom=None if sbom is None else Path(sbom),
            platform=platform,
        )

    def create_key(self, name: str) -> Created:
        """Create an API key; from the first one on, the prediction API requires a key.

        Raises:
            UsageError: The name is taken or not valid.
            MlpipesError: The stack is not running.
        """
        from mlpipes_cli.lifecycle.serving import keys

        return keys.create(self._settings, name)

    def keys(self) -> TableRows:
        """Return the API keys: names, states, and when they were last used.

        Raises:
            MlpipesError: The stack is not running.
        """
        from mlpipes_cli.lifecycle.serving import keys

        return TableRows(keys.listing(self._settings), keys.KeyRow)

    def revoke_key(self, name_or_id: str) -> KeyRow:
        """Revoke an API key; it is invalid within 2 seconds.

        Raises:
            UsageError: There is no such key.
            MlpipesError: The stack is not running.
        """
        from mlpipes_cli.lifecycle.serving import keys

        return keys.revoke(self._settings, name_or_id)
