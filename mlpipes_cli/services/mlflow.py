"""MLflow: the tracking server and model registry."""

from mlpipes_cli.services.definition import (
    ContainerLimits,
    Login,
    ServiceDefinition,
    ServicePort,
    ServiceSecret,
)
from mlpipes_cli.services.probes import HttpProbe

SEARCH = HttpProbe("POST", "/api/2.0/mlflow/experiments/search", '{"max_results": 1}')
SERVICE = ServiceDefinition(
    name="mlflow",
    description="The tracking server and model registry.",
    role="tracking",
    # macOS uses 5000 itself
    ports=(ServicePort(5000, 5000, "mlflow", ("stack", "mlflow", "port"), on_macos=5001),),
    probe=SEARCH,
    timeout=180.0,
    secrets=(
        ServiceSecret("MLFLOW_ADMIN_PASSWORD", with_auth=True),
        ServiceSecret("MLFLOW_SECRET_KEY", with_auth=True),
    ),
    login=Login("admin", "MLFLOW_ADMIN_PASSWORD"),
    exports={"MLFLOW_TRACKING_URI": "http://{host}:{port}"},
    page=5000,
    limits=ContainerLimits("2g", 2.0),
    needs=("postgres", "minio", "rustfs"),
    runtimes=("docker", "embedded", "remote"),
)
