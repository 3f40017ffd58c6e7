"""Start what a stack lacks: one reconciler, with a driver for containers and one for processes."""
