"""Free-form values for an answer. Pure."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

LARGEST_EXPONENT = 30


def plain(value: Any) -> Any:
    """Exact decimals become numbers again, also inside of maps and lists."""
    match value:
        case Decimal():
            if not value.is_finite() or abs(value.adjusted()) > LARGEST_EXPONENT:
                return str(value)
            return int(value) if value == int(value) else float(value)
        case Mapping():
            return {name: plain(member) for name, member in value.items()}
        case list() | tuple():
            return [plain(each) for each in value]
        case _:
            return value
