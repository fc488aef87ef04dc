"""The exact core behind the event pipeline: session API, profiles, records, switches, access servers."""
