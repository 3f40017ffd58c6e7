"""Redis: a store of keys and values in memory."""

from mlpipes_cli.services.definition import (
    ContainerLimits,
    Login,
    ServiceDefinition,
    ServiceSecret,
    tool_port,
)
from mlpipes_cli.services.probes import TcpProbe

SERVICE = ServiceDefinition(
    name="redis",
    description="A store of keys and values, started with `up --with redis`.",
    ports=(tool_port("redis", 6379, 6379),),
    probe=TcpProbe("AUTH {REDIS_PASSWORD}\r\nPING\r\n", "+PONG\r\n"),
    timeout=60.0,
    secrets=(ServiceSecret("REDIS_PASSWORD"),),
    login=Login("default", "REDIS_PASSWORD"),
    url="redis://{host}:{port}/0",
    exports={"REDIS_URL": "redis://:{REDIS_PASSWORD}@{host}:{port}/0"},
    limits=ContainerLimits("256m", 0.5),
    data="what clients stored in it",
)
