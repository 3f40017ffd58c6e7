"""Estimators and pipelines with scikit-learn's interface."""
