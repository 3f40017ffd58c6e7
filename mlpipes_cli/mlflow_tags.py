"""Names of what a run has on the tracking server: tags, metrics, artifact files.

Training writes these names; the registry, serving and comparisons read them. Imports nothing.
"""

from __future__ import annotations

CANDIDATE = "mlpipes.candidate"  # the run's name in the experiment file
SESSION = "mlpipes.session"  # one id for each `train` that was not a resumed one
MODEL_NAME = "mlpipes.model_name"  # the registered model that the run is a candidate for
TASK = "mlpipes.task"  # binary, multiclass, regression
METRIC = "mlpipes.metric"  # the metric that decides the champion
DATA_FINGERPRINT = "mlpipes.data_fingerprint"
DATASET = "mlpipes.dataset"  # the version of the data set that the rows come from, such as loans@3
HOLDOUT_FINGERPRINT = "mlpipes.holdout_fingerprint"
READING = "mlpipes.reading"  # how the data was written (data.formats), as JSON; old runs have none
TELLING_ROWS = "mlpipes.telling_rows"  # the holdout's rows of its rarest class; of a regression, all rows
SPEC_HASH = "mlpipes.spec_hash"  # of the resolved run, its code and the relevant versions
TRAINER = "mlpipes.trainer"
PARTS = "mlpipes.parts"  # names of the child runs of a run that compared several models, as JSON; set last
TRIAL = "mlpipes.trial"  # the number of a trial of a search, which is a run under its candidate's
ENVIRONMENT = "mlpipes.environment"  # the hash of the environment that trained the run, unless it was our own
MODEL_KEY = "mlpipes.model_key"  # the id of the key that signed the model
TAKEN = "mlpipes.taken"  # milliseconds since the epoch when a `train` last reused the run from the cache
USER = "mlflow.user"  # MLflow's own: the account that trained the run
PARENT = "mlflow.parentRunId"  # MLflow's own: the run under which this run is shown
MODEL_URI = "mlpipes.model_uri"  # models:/m-<id>; set last, so only complete runs have it
ERROR = "mlpipes.error"  # one line
EXPERIMENT_FILE = "mlpipes.experiment_file"  # path relative to the project's folder
IMAGE = "mlpipes.image"  # of a version: the image that was pushed last with it inside, as NAME@DIGEST
GIT_COMMIT = "mlpipes.git_commit"  # with `-dirty` if there were changes
ORIGIN_PROJECT = "mlpipes.origin_project"  # of a copy from another project: that project's name
ORIGIN_VERSION = "mlpipes.origin_version"  # the version there, such as credit-default/3
ORIGIN_RUN = "mlpipes.origin_run"  # the id of the run there
RETRAINING = "mlpipes.retraining"  # the id of the retraining that trained the run
RETRAINING_CAUSE = "mlpipes.retraining_cause"  # manual, drift, performance or truth
RETRAINING_CHECK = "mlpipes.retraining_check"  # the id of the check that set it off

HOLDOUT_PREDICTIONS = "holdout_predictions.parquet"
TRAINING_ROWS = "training_rows.parquet"
RESOLVED_EXPERIMENT = "experiment.resolved.yaml"
REQUIREMENTS = "requirements.txt"
PLOTS = "plots"
FEATURE_IMPORTANCE = "feature_importance.csv"
INTERVALS = "intervals.json"
CLASSES = "classes.json"
SEARCH_RESULTS = "search_results.csv"
LOG = "log.txt"
OUT_OF_FOLD = "out_of_fold.parquet"  # scores of training rows that the threshold was chosen on

ORIGIN = "origin.json"  # of a copy from another project: the version there with its tags and history

FIT_SECONDS = "fit_seconds"
THRESHOLD = "threshold"  # a metric of the run: threshold of the positive class score, if there is one
MODEL_METADATA = "mlpipes"  # the key of our section of an MLmodel's metadata
MODEL_ENVIRONMENT = "environment"  # in that section: hash, python, requirements
MODEL_THRESHOLD = "threshold"  # in that section: the threshold, if there is one
MODEL_SAMPLE = "mlpipes_sample.arrow"  # beside MLmodel: feature rows of the holdout, in Arrow's file format


def cross_validated(metric: str) -> str:
    """Return the name under which a metric's mean over the folds of the training rows is logged."""
    return f"cv_{metric}"


def lower(metric: str) -> str:
    """Return the name under which the lower end of a metric's 95 % interval is logged."""
    return f"{metric}_lower"


def upper(metric: str) -> str:
    """Return the name under which the upper end of a metric's 95 % interval is logged."""
    return f"{metric}_upper"
