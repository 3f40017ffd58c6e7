"""Reads a data source into one frame with roles, canonical types, a split and fingerprints."""
