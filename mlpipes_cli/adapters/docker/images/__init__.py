"""Images: found, pulled, built, listed, removed."""
