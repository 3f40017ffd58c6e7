"""Copies of runs in other projects, and when versions reached their users."""
