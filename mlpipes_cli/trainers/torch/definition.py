"""What mlpipes knows of ``trainer: torch`` before it imports anything of it."""

from mlpipes_cli.trainer_registry import TrainerDefinition

DEFINITION = TrainerDefinition(
    trainer="mlpipes_cli.trainers.torch.trainer:TorchTrainer",
    settings="mlpipes_cli.trainers.torch.settings:TorchRun",
    summary="your module in a plain training loop, images too",
    memory=0.6,
    disk=2.0,
    images=True,
    weights=True,
)
