"""The strict model of ``compose/compose.yaml``."""
