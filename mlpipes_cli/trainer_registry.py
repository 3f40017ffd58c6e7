"""Which trainers there are, and where: ours, and those that installed packages bring. A leaf.

A package brings a trainer by an entry point of the group ``mlpipes.trainers``: its name is what stands
behind ``trainer:`` in an experiment file, its object a class that keeps the promises of
``mlpipes_cli.trainers.base.Trainer``. Ours are entry points too; they are listed here as well, since in
the environments that runs are trained in mlpipes is not installed.
"""

from __future__ import annotations

from functools import lru_cache

GROUP = "mlpipes.trainers"
BUILT_IN = {
    "sklearn": "mlpipes_cli.trainers.sklearn:SklearnTrainer",
    "python": "mlpipes_cli.trainers.python:PythonTrainer",
    "h2o_automl": "mlpipes_cli.trainers.h2o_automl:H2OAutoMLTrainer",
    "pycaret": "mlpipes_cli.trainers.pycaret:PycaretTrainer",
    "spark": "mlpipes_cli.trainers.spark:SparkTrainer",
    "keras": "mlpipes_cli.trainers.keras:KerasTrainer",
    "torch": "mlpipes_cli.trainers.torch:TorchTrainer",
}


@lru_cache(maxsize=1)
def added() -> dict[str, str]:
    """The trainers of other installed packages, ``module:attribute`` by name; ours cannot be replaced."""
    from importlib.metadata import entry_points

    return {point.name: point.value for point in entry_points(group=GROUP) if point.name not in BUILT_IN}


def find(name: str) -> str | None:
    """Where a trainer is, ``module:attribute``, or None."""
    return BUILT_IN.get(name) or added().get(name)
