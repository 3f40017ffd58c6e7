"""Run the stack as containers, through the Docker SDK."""
