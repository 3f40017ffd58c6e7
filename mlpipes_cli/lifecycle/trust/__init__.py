"""Decides which of a project's models may be loaded."""
