"""Checks of raw tables."""
