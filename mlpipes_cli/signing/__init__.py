"""Signatures of models: only a model whose files are signed with this project's key may be loaded.

See docs/how-to/serving/models.md.
"""
