"""Kinds of models that trainers make; a logged model carries the code of these modules with it."""
