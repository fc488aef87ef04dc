"""A dialplan of FreeSWITCH as far as the examples need it: extensions, conditions, actions, `${variables}`."""

import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

Lookup = Callable[[str], str]
Step = tuple[str, str]  # application and its data
ENDING = ("park", "hangup", "bridge", "transfer")


class Dialplan:
    """The extensions of a file, in order."""

    def __init__(self, path: Path) -> None:
        self.extensions = ElementTree.parse(path).getroot().findall(".//extension")

    def steps(self, lookup: Lookup) -> list[Step]:
        """What a call does that enters the dialplan, up to the first application that does not return."""
        found: list[Step] = []
        for extension in self.extensions:
            for condition in extension.findall("condition"):
                found += self._condition(condition, lookup)
                if found and found[-1][0] in ENDING:
                    return found
        return found

    def _condition(self, condition: ElementTree.Element, lookup: Lookup) -> list[Step]:
        field = condition.get("field", "")
        value = _expanded(field, lookup) if field.startswith("${") else lookup(field)
        match = re.search(condition.get("expression", ""), value)
        actions = condition.findall("action" if match else "anti-action")
        groups = () if match is None else match.groups()
        return [
            (action.get("application", ""), _filled(_expanded(action.get("data", ""), lookup), groups))
            for action in actions
        ]


def _expanded(text: str, lookup: Lookup) -> str:
    return re.sub(r"\$\{(\w+)\}", lambda found: lookup(found[1]), text)


def _filled(text: str, groups: tuple[str | None, ...]) -> str:
    return re.sub(r"\$(\d)", lambda found: groups[int(found[1]) - 1] or "", text)
