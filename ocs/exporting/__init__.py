"""Records out of the server: to files, HTTP, PostgreSQL, Kafka; at least once, with a key to know repeats by."""
