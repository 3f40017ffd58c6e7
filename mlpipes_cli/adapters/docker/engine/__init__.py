"""Find the Docker engine, connect to it, and read its capabilities."""
