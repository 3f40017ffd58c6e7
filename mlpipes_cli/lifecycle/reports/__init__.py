"""The report of a model: a card of what it is, how good it is, and against whom it was compared."""
