"""Promotion from one project to another: the version is copied, judged and promoted there."""
