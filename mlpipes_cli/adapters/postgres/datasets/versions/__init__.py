"""Versions of data sets: made, listed, pruned, compared."""
