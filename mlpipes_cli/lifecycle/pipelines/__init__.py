"""Pipelines: the commands of ``pipeline.yaml`` in their order."""
