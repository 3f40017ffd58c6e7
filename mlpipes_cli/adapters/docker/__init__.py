"""The stack as containers, through the Docker SDK."""
