"""When something runs by itself."""
