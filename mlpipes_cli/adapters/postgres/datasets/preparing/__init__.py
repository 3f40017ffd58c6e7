"""From a raw table to clean rows with their parts."""
