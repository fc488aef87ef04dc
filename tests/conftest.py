"""Settings of all tests: generated examples have no time of their own, for the machine may be busy."""

from hypothesis import settings

settings.register_profile("ocs", deadline=None)
settings.load_profile("ocs")
