"""Which models may be loaded: those whose files this project's key has signed. See docs/serving/models.md."""
