"""Airflow: runs the project's pipeline by its schedule, and other DAGs of the project."""

import base64
import secrets

from mlpipes_cli.services.definition import Login, ServiceDefinition, ServiceSecret, tool_port
from mlpipes_cli.services.probes import HttpProbe

HEALTH = "/api/v2/monitor/health"


def fernet_key() -> str:
    """Return a new key by which Airflow encrypts connections in its database."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def signing_key() -> str:
    """Return a new key by which Airflow signs tokens: 64 random bytes, as its algorithm wants."""
    return secrets.token_hex(64)


SERVICE = ServiceDefinition(
    name="airflow",
    description="Airflow with the project's pipeline, started with `up --with airflow`.",
    ports=(tool_port("airflow", 8080, 8080),),
    probe=HttpProbe("GET", HEALTH),
    timeout=600.0,  # a first start makes its tables
    secrets=(
        ServiceSecret("AIRFLOW_PASSWORD"),
        ServiceSecret("AIRFLOW_DB_PASSWORD"),
        ServiceSecret("AIRFLOW_FERNET_KEY", fernet_key),
        ServiceSecret("AIRFLOW_JWT_SECRET", signing_key),
        ServiceSecret("AIRFLOW_SECRET_KEY", signing_key),
    ),
    login=Login("admin", "AIRFLOW_PASSWORD"),
    page=8080,
    needs=("postgres", "mlflow"),
    runtimes=("docker", "embedded", "remote"),
    container=False,
)
