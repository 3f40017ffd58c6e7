"""Confidence intervals of metrics, by kind of metric."""
