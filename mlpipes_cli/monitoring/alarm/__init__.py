"""One permutation test over all columns of a check together."""
