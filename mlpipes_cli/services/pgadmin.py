"""pgAdmin: a page for the database."""

from mlpipes_cli.services.definition import Login, ServiceDefinition, ServiceSecret, tool_port
from mlpipes_cli.services.probes import HttpProbe

SERVICE = ServiceDefinition(
    name="pgadmin",
    description="A page for the database, started with `up --with pgadmin`.",
    ports=(tool_port("pgadmin", 80, 5050),),
    probe=HttpProbe("GET", "/misc/ping"),
    timeout=180.0,
    secrets=(ServiceSecret("PGADMIN_PASSWORD"),),
    login=Login("admin@mlpipes.dev", "PGADMIN_PASSWORD"),
    page=80,
    needs=("postgres",),
)
