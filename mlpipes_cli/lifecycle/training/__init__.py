"""``train``: from an experiment file to runs on the tracking server.

``checks`` finds what is wrong in the file without heavy imports, ``plan`` reads the data and fixes
what each candidate gets, ``session`` runs them in processes of their own and ``record`` turns
what they left into a run. ``earlier`` knows what a ``--resume`` need not do again.
"""

from mlpipes_cli.lifecycle.training.report import CandidateResult, TrainingReport
from mlpipes_cli.lifecycle.training.verbs import Outline, Request, dry_run, train

__all__ = ["CandidateResult", "Outline", "Request", "TrainingReport", "dry_run", "train"]
