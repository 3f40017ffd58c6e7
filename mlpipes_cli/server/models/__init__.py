"""The models that the API serves: found, loaded, followed, asked."""
