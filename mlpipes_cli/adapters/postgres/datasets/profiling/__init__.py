"""Profiles of raw tables."""
