"""Workflows for CI systems: they call the commands of this program, as a person would."""
