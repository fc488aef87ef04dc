"""Settings of all tests.

Generated examples have no time of their own, for the machine may be busy, and are the same in every run;
`pytest --hypothesis-profile explore` draws new ones. They must not come from the constants of whatever modules the
process happens to have imported, which hypothesis mixes in: with other tests before it, a search would find others.
"""

from hypothesis import settings
from hypothesis.internal.conjecture import providers

settings.register_profile("explore", deadline=None)
settings.register_profile("ocs", deadline=None, derandomize=True)
settings.load_profile("ocs")

providers._get_local_constants = lambda: providers._local_constants  # none: no module is looked through
