"""Files of this machine: replaced in one step, private, locked, and ``.env``."""
