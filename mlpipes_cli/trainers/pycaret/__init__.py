"""PyCaret's comparison of models."""
