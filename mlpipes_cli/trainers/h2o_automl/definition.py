"""What mlpipes knows of ``trainer: h2o_automl`` before it imports anything of it."""

from mlpipes_cli.trainer_registry import TrainerDefinition

DEFINITION = TrainerDefinition(
    trainer="mlpipes_cli.trainers.h2o_automl.trainer:H2OAutoMLTrainer",
    settings="mlpipes_cli.trainers.h2o_automl.settings:H2OAutoMLRun",
    summary="H2O AutoML, here or on a cluster, with a Java that the package has; "
    "the champion's MOJO is what is served",
    memory=0.8,
    weights=True,
)
