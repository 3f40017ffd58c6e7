"""Artifact stores: a folder of this machine, or an S3 bucket."""
