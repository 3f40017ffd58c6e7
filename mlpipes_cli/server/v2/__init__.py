"""The Open Inference Protocol, version 2, over HTTP and JSON, with its binary tensor data extension."""

from mlpipes_cli.server.v2.routes import add_routes

__all__ = ["add_routes"]
