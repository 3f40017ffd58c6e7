"""Automatic preprocessing by column type. The logged model contains it."""
