"""The prediction API; where it is no container, it is a process of this machine."""

from mlpipes_cli.services.definition import ContainerLimits, ServiceDefinition, ServicePort
from mlpipes_cli.services.probes import HttpProbe

READY = HttpProbe("GET", "/ready")
SERVICE = ServiceDefinition(
    name="api",
    description="The bounds of the prediction API; its settings are in `serving`.",
    role="api",
    ports=(ServicePort(8000, 8000, "api", ("serving", "port")),),
    probe=READY,
    timeout=1800.0,  # it may have to build its model's environment first
    exports={"MLPIPES_API_URL": "http://{host}:{port}"},
    page=8000,
    limits=ContainerLimits("2g", 2.0),
    needs=("postgres", "mlflow"),
    runtimes=("docker", "embedded", "remote"),
)
