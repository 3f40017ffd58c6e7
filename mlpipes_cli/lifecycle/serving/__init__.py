"""Serving the promoted model.

``plan`` finds out what is to be served, ``verbs`` serves it in front or as a service of the stack with
the server of ``api`` or ``mlflow_engine``, which ``guard`` keeps from outliving us.
"""

from mlpipes_cli.lifecycle.serving.plan import ServingPlan, make_plan
from mlpipes_cli.lifecycle.serving.serve import Served, detach, run

__all__ = ["Served", "ServingPlan", "detach", "make_plan", "run"]
