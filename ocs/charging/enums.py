"""Enumerations whose members cost nothing to name. Pure leaf of the charging domain.

Up to Python 3.11 `Unit.TIME` runs a property written in Python, five times as slow as an attribute; from 3.12 on
it is an attribute. A request names some hundred members.
"""

from enum import Enum
from typing import TypeVar

E = TypeVar("E", bound=type[Enum])


def plain_members(enumeration: E) -> E:
    """Class decorator: makes the members plain attributes of the class."""
    for name, member in enumeration.__members__.items():
        type.__setattr__(enumeration, name, member)
    return enumeration
