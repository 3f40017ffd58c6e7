"""Automatic preprocessing by column type; it travels inside the logged model."""
