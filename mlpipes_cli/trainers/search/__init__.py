"""Search over params, and thresholds, by cross-validation."""
