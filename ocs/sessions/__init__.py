"""The event pipeline: session and CDR methods on free-form events, whatever core does the charging.

Map: `values` reads the members of events; `model` are sessions, runs and CDRs; `accounting` is what the pipeline
asks of a charging core, `surroundings` what it asks of the profiles, `clients` what it asks of connections;
`forking` makes runs of an event; `service` does what the session methods say, `timers` what happens between them,
`cdrs` makes, keeps and finds records; `external` writes sessions and records as clients see them.
"""
