"""Copies and replaces databases with PostgreSQL's own client programs."""
