"""What mlpipes knows of ``trainer: keras`` before it imports anything of it."""

from mlpipes_cli.trainer_registry import TrainerDefinition

DEFINITION = TrainerDefinition(
    trainer="mlpipes_cli.trainers.keras.trainer:KerasTrainer",
    settings="mlpipes_cli.trainers.keras.settings:KerasRun",
    summary="layers in YAML or your function, images too",
    memory=0.9,
    disk=3.0,
    images=True,
    weights=True,
)
