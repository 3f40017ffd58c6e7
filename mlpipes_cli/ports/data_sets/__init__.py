"""Data sets: records of their tables, the work on them, differences of versions."""
