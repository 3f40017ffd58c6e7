"""Which models may be loaded: those whose files this project's key has signed.

See docs/how-to/serving/models.md.
"""
