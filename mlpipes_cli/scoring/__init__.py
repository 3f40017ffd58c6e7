"""What a model is worth: one implementation of every metric, its interval, and the comparison of two."""
