"""The commands on the prediction log: feedback from a file, listing, export, pruning and replay."""
