"""RADIUS on the wire: packets, passwords, dictionaries. Pure."""
