"""From a source of rows to one frame with roles, canonical types, a split and fingerprints."""
