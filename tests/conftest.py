"""Settings of all tests.

Generated examples have no time of their own, for the machine may be busy, and are the same in every run;
`pytest --hypothesis-profile explore` draws new ones.
"""

from hypothesis import settings

settings.register_profile("explore", deadline=None)
settings.register_profile("ocs", deadline=None, derandomize=True)
settings.load_profile("ocs")
