"""The user's own function."""
