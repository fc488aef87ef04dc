"""Diameter base protocol without input/output (RFC 6733): bytes, messages, peer rules.

Pure and self-contained: nothing here reads a clock, a socket or another part of the program.
"""
