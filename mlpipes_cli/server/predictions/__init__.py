"""Predictions: batched, stored, answered."""
