"""Errors of the Docker engine as one line with the way out."""
