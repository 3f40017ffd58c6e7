"""Tables and records of data sets in PostgreSQL."""
