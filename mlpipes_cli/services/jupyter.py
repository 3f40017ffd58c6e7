"""Jupyter: notebooks that see the stack as other clients do."""

from mlpipes_cli.services.definition import Login, ServiceDefinition, ServiceSecret, tool_port
from mlpipes_cli.services.probes import HttpProbe

SERVICE = ServiceDefinition(
    name="jupyter",
    description="Notebooks, started with `up --with jupyter`.",
    ports=(tool_port("jupyter", 8888, 8888),),
    probe=HttpProbe("GET", "/api/status", headers={"Authorization": "token {JUPYTER_TOKEN}"}),
    secrets=(ServiceSecret("JUPYTER_TOKEN"),),
    login=Login("", "JUPYTER_TOKEN", parameter="token"),
    page=8888,
    needs=("mlflow",),
)
