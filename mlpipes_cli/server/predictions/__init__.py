"""Predict in batches, store the predictions, and return them."""
