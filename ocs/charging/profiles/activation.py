"""When a profile or a filter counts. Pure."""

import msgspec


class Activation(msgspec.Struct, frozen=True):
    """When something counts: from `start_ns` up to before `end_ns`, 0 for no limit; ns since 1970."""

    start_ns: int = 0
    end_ns: int = 0

    def holds(self, at_ns: int) -> bool:
        """Whether a moment lies inside."""
        return at_ns >= self.start_ns and (not self.end_ns or at_ns < self.end_ns)


ALWAYS = Activation()
