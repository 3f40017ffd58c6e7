"""Translate errors of the Docker engine to one line and a hint."""
