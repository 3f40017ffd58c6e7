"""From runs to the registry: who is promoted, why, and how it is undone."""
