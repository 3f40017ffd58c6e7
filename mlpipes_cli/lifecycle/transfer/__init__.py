"""Data that outlives the stack: backup, restore, migrate, upgrade."""
