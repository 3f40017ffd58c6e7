"""Registry of trainers: built-in ones and those of other installed packages.

A package adds a trainer by an entry point of the group ``mlpipes.trainers``. The entry point's name is the
value of ``trainer:`` in an experiment file; its object is a class that implements
``mlpipes_cli.trainers.base.Trainer``. The built-in trainers are entry points too. They are also listed here,
because mlpipes is not installed in the environments that train runs.
"""

from __future__ import annotations

from functools import lru_cache

GROUP = "mlpipes.trainers"
BUILT_IN = {
    "sklearn": "mlpipes_cli.trainers.sklearn.trainer:SklearnTrainer",
    "python": "mlpipes_cli.trainers.python.trainer:PythonTrainer",
    "h2o_automl": "mlpipes_cli.trainers.h2o_automl.trainer:H2OAutoMLTrainer",
    "pycaret": "mlpipes_cli.trainers.pycaret.trainer:PycaretTrainer",
    "spark": "mlpipes_cli.trainers.spark.trainer:SparkTrainer",
    "keras": "mlpipes_cli.trainers.keras.trainer:KerasTrainer",
    "torch": "mlpipes_cli.trainers.torch.trainer:TorchTrainer",
}


@lru_cache(maxsize=1)
def added() -> dict[str, str]:
    """Return the trainers of other packages, ``module:attribute`` by name; built-in names are excluded."""
    from importlib.metadata import entry_points

    return {point.name: point.value for point in entry_points(group=GROUP) if point.name not in BUILT_IN}


def find(name: str) -> str | None:
    """Return the location of a trainer, ``module:attribute``, or None."""
    return BUILT_IN.get(name) or added().get(name)
