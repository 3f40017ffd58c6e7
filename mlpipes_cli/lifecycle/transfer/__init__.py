"""Moves data that outlives the stack: backup, restore, migrate, upgrade."""
