"""What the user's code is like, by reading it."""
