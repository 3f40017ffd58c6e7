"""``train``: from an experiment file to runs on the tracking server.

``checks`` finds mistakes in the file without heavy imports, ``plan`` reads the data and fixes
what each candidate gets, ``session`` trains them in processes of their own, ``run_recorder`` turns their
files into what ``run_logger`` stores as a run, and ``dry_run`` is the dry run.
``previous_sessions`` finds the runs that a ``--resume`` need not train again.
"""

from mlpipes_cli.lifecycle.training.dry_run import DryRun, dry_run
from mlpipes_cli.lifecycle.training.recording.report import CandidateResult, TrainingReport
from mlpipes_cli.lifecycle.training.train import TrainRequest, train

__all__ = ["CandidateResult", "DryRun", "TrainRequest", "TrainingReport", "dry_run", "train"]
