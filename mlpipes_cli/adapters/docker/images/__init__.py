"""Find, pull, build, list and remove images."""
