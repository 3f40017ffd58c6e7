"""Interfaces between the commands (``lifecycle``) and their implementations (``adapters``).

Only Protocols and frozen dataclasses, and no imports beyond the standard library. An adapter is used from one
thread. Every method either does all that it documents, or raises a ``MlpipesError`` and leaves the previous
state unchanged. Times are seconds and sizes are bytes, unless a name says otherwise.
"""

from mlpipes_cli.ports.environments import BuiltEnvironment, Environments, EnvironmentSpec
from mlpipes_cli.ports.models import AliasedVersion, ModelSource
from mlpipes_cli.ports.predictions import PredictionLog, PredictionRow
from mlpipes_cli.ports.registry import ModelVersion, RegisteredModel, Registry, RunRecord
from mlpipes_cli.ports.reporter import Reporter, Task
from mlpipes_cli.ports.stack import (
    Check,
    Endpoints,
    Halted,
    Health,
    Runtime,
    ServiceSpec,
    ServiceStatus,
    StackStatus,
    State,
)
from mlpipes_cli.ports.storage import Artifact, ArtifactStore, Storage
from mlpipes_cli.ports.tracking import (
    CandidateState,
    ComparisonOutcome,
    DatasetRecord,
    MetricStep,
    RunOutcome,
    Tracking,
    TrainingProgress,
    TrialRecord,
)

__all__ = [
    "AliasedVersion",
    "Artifact",
    "ArtifactStore",
    "BuiltEnvironment",
    "CandidateState",
    "Check",
    "ComparisonOutcome",
    "DatasetRecord",
    "Endpoints",
    "EnvironmentSpec",
    "Environments",
    "Halted",
    "Health",
    "MetricStep",
    "ModelSource",
    "ModelVersion",
    "PredictionLog",
    "PredictionRow",
    "RegisteredModel",
    "Registry",
    "Reporter",
    "RunOutcome",
    "RunRecord",
    "Runtime",
    "ServiceSpec",
    "ServiceStatus",
    "StackStatus",
    "State",
    "Storage",
    "Task",
    "Tracking",
    "TrainingProgress",
    "TrialRecord",
]
