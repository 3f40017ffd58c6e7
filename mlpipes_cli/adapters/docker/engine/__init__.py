"""The Docker engine: where it is, how to connect to it, what it can do."""
