"""The promises between the verbs (``lifecycle``) and what carries them out (``adapters``).

Only Protocols and frozen dataclasses, no imports beyond the standard library. An adapter is used
from one thread; every method either does all that it says or raises a ``MlpipesError`` and leaves
what was there before. Times are seconds, sizes are bytes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol


class Task(Protocol):
    """A piece of work whose progress is shown."""

    def advance(self, steps: float = 1.0) -> None:
        """So much more of the total is done."""

    def note(self, text: str) -> None:
        """Say beside it what is being done."""


class Reporter(Protocol):
    """Where messages for a person go (never results); all of it reaches standard error."""

    def info(self, text: str) -> None:
        """A line of news."""

    def warn(self, text: str) -> None:
        """A line that wants attention but stops nothing."""

    def detail(self, text: str) -> None:
        """A line that is shown with ``-v`` only."""

    def task(self, title: str, total: float | None = None) -> AbstractContextManager[Task]:
        """Show a piece of work for as long as the context lasts; ``total`` None is a spinner."""

    def confirm(self, question: str) -> bool:
        """Ask yes or no; no where nobody can answer."""


State = Literal["running", "starting", "stopped", "failed"]


@dataclass(frozen=True)
class ServiceStatus:
    """What is known of a service.

    Attributes:
        name: As in ``compose.yaml``: postgres, mlflow, api, ...
        state: ``running`` only if it answered a query just now.
        url: Where clients reach it, without secrets; None while it is not running.
        port: The TCP port on 127.0.0.1, or None.
        pid: The main process on this machine, or None.
        uptime: Seconds since it was started.
        memory: Resident bytes of it and its children.
        detail: One line for a person: why it failed, what it serves.
    """

    name: str
    state: State
    url: str | None = None
    port: int | None = None
    pid: int | None = None
    uptime: float | None = None
    memory: int | None = None
    detail: str = ""


@dataclass(frozen=True)
class StackStatus:
    """All services of a project's stack.

    Attributes:
        runtime: embedded, docker or remote.
        reason: Why that runtime was taken.
        services: One each.
        changes: What the last ``up`` did, a line each; empty when nothing had to be done.
    """

    runtime: str
    reason: str
    services: tuple[ServiceStatus, ...]
    changes: tuple[str, ...] = ()

    def running(self, name: str) -> ServiceStatus | None:
        """The service of that name if it is running."""
        return next((s for s in self.services if s.name == name and s.state == "running"), None)


@dataclass(frozen=True)
class Endpoints:
    """What clients of a running stack need.

    Attributes:
        tracking_uri: MLflow's ``http://`` address.
        database_url: ``postgresql://user:password@host:port/mlpipes``; it holds a secret.
        extra: Further environment variables that clients should have.
    """

    tracking_uri: str
    database_url: str = field(repr=False)
    extra: Mapping[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """The environment variables for a client."""
        return {
            "MLFLOW_TRACKING_URI": self.tracking_uri,
            "MLPIPES_DATABASE_URL": self.database_url,
            **self.extra,
        }


@dataclass(frozen=True)
class Check:
    """A line of ``doctor``.

    Attributes:
        name: What was looked at.
        level: ok, warning or fault.
        found: What was found.
        fix: What to do about it; empty when ok.
    """

    name: str
    level: Literal["ok", "warning", "fault"]
    found: str
    fix: str = ""


@dataclass(frozen=True)
class ServiceSpec:
    """A process of ours that runs as a service of the stack (the prediction API).

    Attributes:
        name: The service's name.
        command: The program and its arguments; it holds no secret, since it is remembered.
            ``{port}`` in an argument becomes the chosen port.
        preferred_port: Taken if free, else the next free one (``fixed_port`` False), or an error.
        fixed_port: The user asked for exactly this port.
        ready_path: Answers 200 over HTTP when the service can do its work.
        timeout: Seconds to wait for that.
    """

    name: str
    command: tuple[str, ...]
    preferred_port: int
    fixed_port: bool
    ready_path: str
    timeout: float = 90.0


class Runtime(Protocol):
    """A way to run the stack.

    The stack belongs to a project's folder: two projects never share or disturb each other's.
    ``up`` may be called at any time, by several processes at once, and after any crash; it
    repairs what is broken, changes only what differs, and keeps data. What ``up`` started lives on
    when this process and its terminal end.
    """

    @property
    def name(self) -> str:
        """embedded, docker or remote."""

    def up(self, reporter: Reporter) -> StackStatus:
        """Start or repair all services (those added by ``start`` too) and wait until each answers.

        Raises:
            MlpipesError: A service did not come up: its last log lines and a hint; the others stay.
        """

    def down(self, reporter: Reporter, *, volumes: bool = False) -> Sequence[str]:
        """Stop everything; with ``volumes`` remove the data too. Returns the names that were stopped."""

    def status(self) -> StackStatus:
        """What there is right now; changes nothing."""

    def logs(self, service: str, *, follow: bool = False, tail: int | None = None) -> Iterator[str]:
        """The service's log lines without line ends, oldest first.

        Raises:
            UsageError: There is no such service.
        """

    def doctor(self) -> Sequence[Check]:
        """Look at everything that could be wrong; changes nothing."""

    def endpoints(self) -> Endpoints:
        """Where the running stack answers.

        Raises:
            MlpipesError: It is not running.
        """

    def start(self, spec: ServiceSpec, reporter: Reporter) -> ServiceStatus:
        """Start a process of ours as a service (again if it differs), and remember it for ``up``.

        Raises:
            MlpipesError: It did not come up; its last log lines and a hint.
        """

    def stop(self, service: str, reporter: Reporter) -> bool:
        """Stop and forget a service that ``start`` added; False if there was none."""


JsonValue = str | int | float | bool | None | list["JsonValue"] | dict[str, "JsonValue"]


@dataclass(frozen=True)
class RunRecord:
    """A finished or failed candidate, as the tracking server keeps it.

    Attributes:
        run_id: MLflow's.
        experiment: The experiment's name.
        name: The candidate's name in the experiment file.
        status: FINISHED, FAILED, KILLED or RUNNING.
        started: Milliseconds since the epoch.
        metrics: Holdout metrics by name.
        params: As logged.
        tags: As logged.
    """

    run_id: str
    experiment: str
    name: str
    status: str
    started: int
    metrics: Mapping[str, float]
    params: Mapping[str, str]
    tags: Mapping[str, str]


@dataclass(frozen=True)
class ModelVersion:
    """A version in the registry.

    Attributes:
        model: The registered model's name.
        version: From 1.
        run_id: The run that made it.
        aliases: The aliases that point to it now.
        tags: Its tags.
        created: Milliseconds since the epoch.
    """

    model: str
    version: int
    run_id: str
    aliases: Collection[str]
    tags: Mapping[str, str]
    created: int


@dataclass(frozen=True)
class RegisteredModel:
    """A name in the registry.

    Attributes:
        name: The registered model's name.
        aliases: The version that each alias points to.
        tags: Its tags.
        versions: Those that were not deleted, the newest first.
    """

    name: str
    aliases: Mapping[str, int]
    tags: Mapping[str, str]
    versions: Sequence[ModelVersion]


class Registry(Protocol):
    """The model registry, and of the runs what a promotion reads.

    Each call is a request or two, seen by every client at once; nothing is cached. Threads may
    share it. A registry has no transactions: who changes several things orders them so that a
    crash in between can be told.
    """

    def experiments(self) -> Sequence[str]:
        """The names of all experiments, the newest changed first."""

    def runs(self, experiments: Collection[str] | None = None) -> Sequence[RunRecord]:
        """All candidates' runs of the named experiments (of all when None), the newest first."""

    def run(self, run_id: str) -> RunRecord | None:
        """The run, or None if there is none."""

    def artifact(self, run_id: str, path: str, target: Path) -> bool:
        """Fetch a run's artifact to a file; False, and no file, if the run has none of that name."""

    def models(self) -> Sequence[RegisteredModel]:
        """All registered models, by name."""

    def model(self, name: str) -> RegisteredModel | None:
        """The registered model, or None."""

    def native_model(self, model: str, version: int) -> object:
        """Load a version as the estimator that was logged (scikit-learn's interface)."""

    def create_version(
        self, model: str, run: RunRecord, uri: str, *, tags: Mapping[str, str], description: str
    ) -> int:
        """Register a run's logged model as a version; makes the registered model if there is none."""

    def set_alias(self, model: str, alias: str, version: int) -> None:
        """Point the alias to the version, wherever it pointed before."""

    def set_tag(self, model: str, key: str, value: str) -> None:
        """Write a tag of the registered model over what it was; at most 5000 characters."""


@dataclass(frozen=True)
class PredictionRow:
    """One prediction as it is kept.

    Attributes:
        prediction_id: A UUID version 7, as text.
        caller_id: What the caller's id column held, or None.
        made_at: Milliseconds since the epoch, those inside the identifier.
        model: The registered model's name.
        version: Its version.
        alias: The alias under which it was served.
        inputs: The row as the model saw it, JSON text that JSONB takes.
        prediction: The prediction, JSON text.
        scores: A number, or one a class, JSON text; None where the model has none.
        latency_ms: From the request's arrival until the row was handed to the database.
    """

    prediction_id: str
    caller_id: str | None
    made_at: int
    model: str
    version: int
    alias: str
    inputs: str
    prediction: str
    scores: str | None
    latency_ms: float


class PredictionStore(Protocol):
    """Keeps predictions.

    ``write`` is called from one thread at a time; ``ping`` and ``interrupt`` from any.
    """

    def prepare(self) -> None:
        """Make or upgrade the tables; several processes may do so at once.

        Raises:
            MlpipesError: The database does not answer or refuses.
        """

    def write(self, rows: Sequence[PredictionRow]) -> None:
        """Keep all rows or none; when it returns they are on disk.

        A row that is there already (the same identifier) is left as it is. After a lost
        connection the next call connects anew.

        Raises:
            Rejected: A row cannot be kept, whenever it is tried.
            MlpipesError: They were not kept, or nobody can tell whether they were.
        """

    def ping(self) -> bool:
        """Whether the database answers a query right now."""

    def interrupt(self) -> None:
        """Make a ``write`` that hangs in another thread fail."""

    def close(self) -> None:
        """Give the connection back."""


@dataclass(frozen=True)
class DatasetRecord:
    """The data set of a run, as the tracking server shows it.

    Attributes:
        name: The experiment's name.
        digest: The data's fingerprint.
        source: Where the rows came from, without secrets.
        columns: (name, type) of the features and the target.
        rows: How many there are in all.
    """

    name: str
    digest: str
    source: str
    columns: Sequence[tuple[str, str]]
    rows: int


@dataclass(frozen=True)
class RunOutcome:
    """All that a finished candidate leaves.

    Attributes:
        metrics: By the name under which they are logged.
        params: Beside those that were logged at the start.
        artifacts: A folder whose content becomes the run's artifacts.
        model: A folder in MLflow's model format.
        dataset: What it was trained on.
    """

    metrics: Mapping[str, float]
    params: Mapping[str, str]
    artifacts: Path
    model: Path
    dataset: DatasetRecord


class Tracking(Protocol):
    """Where runs are written.

    A run is begun, then ended once, by ``finish`` or ``give_up``. ``finish`` sets the tag
    ``mlpipes.model_uri`` after all else is stored: a run without it is not whole. A server that
    goes away for a moment is waited for; when it stays away, the error says so and the run is
    left as it is.
    """

    def reach(self) -> None:
        """Make sure that the server is there, in no time: nothing is imported for it.

        Raises:
            MlpipesError: It does not answer.
        """

    def ping(self) -> None:
        """Make sure that the server answers a query.

        Raises:
            MlpipesError: It does not.
        """

    def begin(self, experiment: str, name: str, tags: Mapping[str, str], params: Mapping[str, str]) -> str:
        """Begin a run, status RUNNING, in an experiment that is made if there is none; returns its id."""

    def finish(self, run_id: str, outcome: RunOutcome) -> str:
        """Store everything and mark the run FINISHED; returns the model's URI."""

    def give_up(self, run_id: str, status: Literal["FAILED", "KILLED"], error: str, log: Path | None) -> None:
        """Mark the run as not finished, with the reason and the candidate's log file."""


@dataclass(frozen=True)
class CandidateState:
    """How a candidate is doing, for whoever watches.

    Attributes:
        name: The candidate's.
        state: waiting, running, storing, finished, finished (earlier), failed, killed.
        stage: What it does while it runs.
        started: ``time.monotonic()`` of its start, or None.
        seconds: How long it took, once it has ended.
        value: The deciding metric's value, once there is one.
        error: Why it failed.
    """

    name: str
    state: str = "waiting"
    stage: str = ""
    started: float | None = None
    seconds: float | None = None
    value: float | None = None
    error: str = ""


class TrainingProgress(Protocol):
    """Shows a person how the candidates are doing."""

    def show(self, states: Sequence[CandidateState], metric: str) -> None:
        """Called after each change, with all candidates."""
