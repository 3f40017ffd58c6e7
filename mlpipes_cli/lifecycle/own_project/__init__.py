"""``init --data``: a project from a user's own table."""
