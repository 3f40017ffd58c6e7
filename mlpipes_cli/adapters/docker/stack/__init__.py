"""The stack of one project: its desired state, its actual state, and the reconciler."""
