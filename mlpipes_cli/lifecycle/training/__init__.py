"""``train``: from an experiment file to runs on the tracking server.

``checks`` finds what is wrong in the file without heavy imports, ``plan`` reads the data and fixes
what each candidate gets, ``session`` runs them in processes of their own, ``record`` makes of what they
left what ``storing`` keeps as a run, and ``outline`` is the dry run.
``earlier`` knows what a ``--resume`` need not do again.
"""

from mlpipes_cli.lifecycle.training.dry_run import DryRun, dry_run
from mlpipes_cli.lifecycle.training.report import CandidateResult, TrainingReport
from mlpipes_cli.lifecycle.training.train import TrainRequest, train

__all__ = ["CandidateResult", "DryRun", "TrainRequest", "TrainingReport", "dry_run", "train"]
