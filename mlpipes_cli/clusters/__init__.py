"""Training on machines other than this one."""
