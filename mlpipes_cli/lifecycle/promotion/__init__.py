"""Promotion in the registry: choosing a run, deciding, recording, and rolling back."""
