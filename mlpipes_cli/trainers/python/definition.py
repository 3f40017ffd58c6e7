"""What mlpipes knows of ``trainer: python`` before it imports anything of it."""

from mlpipes_cli.trainer_registry import TrainerDefinition

DEFINITION = TrainerDefinition(
    trainer="mlpipes_cli.trainers.python.trainer:PythonTrainer",
    settings="mlpipes_cli.trainers.python.settings:PythonRun",
    source_check="mlpipes_cli.trainers.python.source_check:check",
    summary="your function, which returns a model",
    images=True,
    weights=True,
    weights_check="mlpipes_cli.trainers.python.source_check:weights",
)
