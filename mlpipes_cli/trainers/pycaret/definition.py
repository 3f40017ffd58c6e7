"""What mlpipes knows of ``trainer: pycaret`` before it imports anything of it."""

from mlpipes_cli.trainer_registry import TrainerDefinition

DEFINITION = TrainerDefinition(
    trainer="mlpipes_cli.trainers.pycaret.trainer:PycaretTrainer",
    settings="mlpipes_cli.trainers.pycaret.settings:PycaretRun",
    summary="PyCaret's comparison; each of the best is a run of its own",
    memory=0.8,
    disk=2.0,
)
