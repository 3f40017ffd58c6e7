"""The typed ``dataset.yaml``."""
