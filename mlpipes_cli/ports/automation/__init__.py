"""Ports of pipelines."""
