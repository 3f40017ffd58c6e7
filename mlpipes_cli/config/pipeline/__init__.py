"""``pipeline.yaml``: steps, their order, and when they run."""
