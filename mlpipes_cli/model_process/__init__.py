"""A model in a process of its own environment: protocol, server there, client here."""
