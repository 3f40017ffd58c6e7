"""``retrain``: trains an experiment on the rows of today, and watches what was promoted.

``causes`` and ``limits`` decide whether, ``served`` reads the rows that were served and have their ground
truth, ``retrain`` does it, and ``succession`` takes the alias back from a version that does worse than the
one before.
"""
