"""How many connections and files this process may have open."""

import resource


def raise_limit() -> int:
    """Take all that the system allows, instead of the little that shells start programs with; how many it is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
