"""Shared code of the trainers of neural networks."""
