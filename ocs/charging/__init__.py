"""The charging domain: everything but `service` and `store` is pure."""
