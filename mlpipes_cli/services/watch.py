"""The watcher: scheduled checks of the served model, and their alerts."""

from mlpipes_cli.services.definition import ContainerLimits, ServiceDefinition, tool_port
from mlpipes_cli.services.probes import HttpProbe

HEALTH = HttpProbe("GET", "/health")
SERVICE = ServiceDefinition(
    name="watch",
    description="Scheduled checks and their alerts, started with `up --with watch`.",
    ports=(tool_port("watch", 8010, 8010),),
    probe=HEALTH,
    limits=ContainerLimits("2g", 1.0),
    needs=("postgres", "mlflow"),
    runtimes=("docker", "embedded", "remote"),
)
