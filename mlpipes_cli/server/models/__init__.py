"""Find, load, follow and call the models that the API serves."""
