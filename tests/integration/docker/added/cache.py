"""A service of another package: the definition, which stands beside its Compose file."""

from pathlib import Path

from mlpipes_cli.services.definition import ServiceDefinition, ServiceSecret, tool_port
from mlpipes_cli.services.probes import TcpProbe

SERVICE = ServiceDefinition(
    name="cache",
    description="A cache, started with `up --with cache`.",
    ports=(tool_port("cache", 6379, 6380),),
    probe=TcpProbe("AUTH {CACHE_PASSWORD}\r\nPING\r\n", "+PONG\r\n"),
    secrets=(ServiceSecret("CACHE_PASSWORD"),),
    url="redis://{host}:{port}/0",
    exports={"CACHE_URL": "redis://:{CACHE_PASSWORD}@{host}:{port}/0"},
    compose=Path(__file__).with_name("cache.yaml"),
)
