"""Databases copied and replaced by PostgreSQL's own programs."""
