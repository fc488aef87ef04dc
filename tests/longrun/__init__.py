"""Runs that last: a server killed again and again, a million broken messages, a million accounts."""
