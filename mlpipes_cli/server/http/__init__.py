"""The HTTP side of the API: ASGI application, routes, connection limits, lifespan."""
