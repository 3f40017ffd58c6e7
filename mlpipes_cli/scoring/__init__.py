"""Metrics, their confidence intervals, and the comparison of models: one implementation of each."""
