"""Served rows with ground truth, added to prepared data."""
