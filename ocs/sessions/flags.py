"""The flags of `SessionSv1.ProcessEvent`: `*attributes:*ids:A&B`, `*rals:*authorize`, `*blocker_error`. Pure."""

from collections.abc import Iterable


class Flags:
    """Flags with what stands behind them."""

    def __init__(self, flags: Iterable[str]) -> None:
        self._flags: dict[str, dict[str, tuple[str, ...]]] = {}
        for flag in flags:
            name, _, rest = flag.partition(":")
            options = self._flags.setdefault(name, {})
            if rest:
                option, _, values = rest.partition(":")
                for each in option.split("&"):
                    options[each] = tuple(value for value in values.split("&") if value)

    def __contains__(self, name: str) -> bool:
        """Whether a flag is there, and not switched off."""
        return name in self._flags and "false" not in self._flags[name]

    def has(self, name: str, option: str) -> bool:
        """Whether a flag has an option."""
        return option in self._flags.get(name, {})

    def values(self, name: str, option: str) -> tuple[str, ...]:
        """What stands behind an option of a flag."""
        return self._flags.get(name, {}).get(option, ())

    def options(self, name: str) -> tuple[str, ...]:
        """All options of a flag, with what stands behind them."""
        found = self._flags.get(name, {})
        return tuple(
            ":".join((option, "&".join(values))) if values else option for option, values in found.items()
        )
