"""The prediction log: feedback from a file, listing, export, pruning."""
