"""The watcher: when a check is due, its service and container, and what it says of itself."""
