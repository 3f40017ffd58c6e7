"""Train on machines other than this one."""
