"""Retrainings in PostgreSQL: their history, and the rows that they train on."""
