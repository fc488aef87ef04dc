"""`OcsV1`: the server's own methods, for the command line, the live page and programs of the operator.

Names of members end with their unit: `available_nanos`, `opened_at_ns`. A quantity is an object whose one member
is its unit: `{"nanos": 1}`, `{"octets": 1}`, `{"ns": 1}`, `{"events": 1}`.
"""
