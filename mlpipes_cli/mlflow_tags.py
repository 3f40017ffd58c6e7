"""What a run is called and carries on the tracking server: tags, metrics, artifact files.

Training writes these names; the registry, serving and comparisons read them. A leaf.
"""

from __future__ import annotations

CANDIDATE = "mlpipes.candidate"  # the run's name in the experiment file
SESSION = "mlpipes.session"  # one id for each `train` that was not a resumed one
MODEL_NAME = "mlpipes.model_name"  # the registered model that it is a candidate for
TASK = "mlpipes.task"  # binary, multiclass, regression
METRIC = "mlpipes.metric"  # what decides the champion
DATA_FINGERPRINT = "mlpipes.data_fingerprint"
HOLDOUT_FINGERPRINT = "mlpipes.holdout_fingerprint"
READING = "mlpipes.reading"  # how the data was written (data.formats), as JSON; runs of old have none
TELLING_ROWS = "mlpipes.telling_rows"  # the holdout's rows of its rarest class; of a regression all of them
SPEC_HASH = "mlpipes.spec_hash"  # of the resolved run, its code and the versions that matter
TRAINER = "mlpipes.trainer"
PARTS = "mlpipes.parts"  # names of the runs under one that compared several models, as JSON; set last
TRIAL = "mlpipes.trial"  # the number of a trial of a search, which is a run under its candidate's
ENVIRONMENT = "mlpipes.environment"  # the hash of the environment that it was trained in, unless our own
MODEL_KEY = "mlpipes.model_key"  # the id of the key that its model is signed with
TAKEN = "mlpipes.taken"  # milliseconds since the epoch when a `train` last took it from the cache
PARENT = "mlflow.parentRunId"  # MLflow's own: the run under which a run is shown
MODEL_URI = "mlpipes.model_uri"  # models:/m-<id>; set last, so it stands only on complete runs
ERROR = "mlpipes.error"  # one line
EXPERIMENT_FILE = "mlpipes.experiment_file"  # its path, relative to the project's folder
GIT_COMMIT = "mlpipes.git_commit"  # with `-dirty` if there were changes

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

FIT_SECONDS = "fit_seconds"
THRESHOLD = "threshold"  # a metric of the run: of the positive class's score, where the labels come from it
MODEL_METADATA = "mlpipes"  # the key of our part of an MLmodel's metadata
MODEL_ENVIRONMENT = "environment"  # in that part: hash, python and requirements of where it was trained
MODEL_THRESHOLD = "threshold"  # in that part: the threshold, where there is one
MODEL_SAMPLE = "mlpipes_sample.arrow"  # beside MLmodel: feature rows of the holdout, in Arrow's file format


def lower(metric: str) -> str:
    """The name under which the lower end of a metric's 95 % interval is logged."""
    return f"{metric}_lower"


def upper(metric: str) -> str:
    """The name under which the upper end of a metric's 95 % interval is logged."""
    return f"{metric}_upper"
