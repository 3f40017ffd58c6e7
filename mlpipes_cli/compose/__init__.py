"""Read ``compose/compose.yaml`` into a strict model."""
