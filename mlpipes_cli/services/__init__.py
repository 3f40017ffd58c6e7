"""The services of a stack, a module each: what every runtime has to know of one beside ``compose.yaml``.

``definition`` and ``probes`` hold the types, ``catalog`` finds the definitions. Every other module here
defines one service, as ``SERVICE``.
"""
