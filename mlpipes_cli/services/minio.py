"""MinIO: the object store of MLflow's artifacts."""

from mlpipes_cli.services.definition import (
    ContainerLimits,
    Login,
    ServiceDefinition,
    ServicePort,
    ServiceSecret,
)
from mlpipes_cli.services.probes import BucketProbe

# All but the name are those of rustfs too: a stack has one of them, behind the same settings.
SERVICE = ServiceDefinition(
    name="minio",
    description="Where the artifacts are kept.",
    role="object store",
    ports=(
        ServicePort(9000, 9000, "minio", ("stack", "object_store", "port")),
        ServicePort(9001, 9001, "minio_console", ("stack", "object_store", "console_port")),
    ),
    probe=BucketProbe(),
    secrets=(
        ServiceSecret("MINIO_ROOT_PASSWORD"),
        ServiceSecret("MLFLOW_S3_SECRET_KEY"),  # MLflow's own user there
    ),
    login=Login("mlpipes", "MINIO_ROOT_PASSWORD"),
    page=9001,
    section="object_store",
    variables="MINIO",
    limits=ContainerLimits("1g", 2.0),
    data="the artifacts of runs and models",
)
