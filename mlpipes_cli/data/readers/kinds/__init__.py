"""Inputs by their kind: Arrow, CSV, JSON, workbooks, queries, functions."""
