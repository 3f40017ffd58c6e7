"""Prometheus: scrapes the metrics of the prediction API and evaluates the alert rules."""

from mlpipes_cli.services.definition import ServiceDefinition, tool_port
from mlpipes_cli.services.probes import HttpProbe

SERVICE = ServiceDefinition(
    name="prometheus",
    description="The API's metrics over time, and alert rules, started with `up --with prometheus`.",
    ports=(tool_port("prometheus", 9090, 9090),),
    probe=HttpProbe("GET", "/-/ready"),
    exports={"MLPIPES_PROMETHEUS_URL": "http://{host}:{port}"},
    page=9090,
)
