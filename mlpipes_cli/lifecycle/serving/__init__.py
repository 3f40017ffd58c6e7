"""Serves the promoted model.

``plan`` resolves what to serve, ``serve`` serves it in the foreground or as a service of the stack, with
the server of ``api`` or ``mlflow_engine``, which ``parent_watch`` ends when this process ends.
"""

from mlpipes_cli.lifecycle.serving.plan import ServingPlan, make_plan
from mlpipes_cli.lifecycle.serving.serve import Served, detach, run

__all__ = ["Served", "ServingPlan", "detach", "make_plan", "run"]
