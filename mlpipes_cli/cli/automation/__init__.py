"""Commands that run the others."""
