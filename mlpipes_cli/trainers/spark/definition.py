"""What mlpipes knows of ``trainer: spark`` before it imports anything of it."""

from mlpipes_cli.trainer_registry import TrainerDefinition

DEFINITION = TrainerDefinition(
    trainer="mlpipes_cli.trainers.spark.trainer:SparkTrainer",
    settings="mlpipes_cli.trainers.spark.settings:SparkRun",
    summary="Spark ML, here or on a cluster, with a Java of its environment",
    memory=1.0,
    disk=1.5,
    weights=True,
)
