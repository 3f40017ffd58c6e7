"""PostgreSQL: the databases of MLflow and of mlpipes."""

from mlpipes_cli.services.definition import ContainerLimits, ServiceDefinition, ServicePort, ServiceSecret
from mlpipes_cli.services.probes import DatabaseProbe

SERVICE = ServiceDefinition(
    name="postgres",
    description="The database of tracking metadata, data and predictions.",
    role="database",
    ports=(ServicePort(5432, 5432, "postgres", ("stack", "postgres", "port")),),
    probe=DatabaseProbe(),
    timeout=90.0,
    secrets=(
        ServiceSecret("POSTGRES_PASSWORD"),  # the superuser, the two databases' owners, the role of queries
        ServiceSecret("MLFLOW_DB_PASSWORD"),
        ServiceSecret("MLPIPES_DB_PASSWORD"),
        ServiceSecret("MLPIPES_READER_PASSWORD"),
    ),
    url="postgresql://{host}:{port}/mlpipes",
    exports={"MLPIPES_DATABASE_URL": "postgresql://mlpipes:{MLPIPES_DB_PASSWORD}@{host}:{port}/mlpipes"},
    limits=ContainerLimits("1g", 2.0),
    data="runs, registered models and predictions",
    runtimes=("docker", "embedded", "remote"),
)
