"""Runs of pipelines in PostgreSQL."""
