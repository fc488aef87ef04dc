"""What surrounds charging: filters, attributes, chargers, resources, routes, statistics, thresholds. Pure.

Rules work on free-form events: maps of JSON values. State and time come in as values, new state goes out as values.
"""
