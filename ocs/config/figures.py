"""What the arithmetic of CGRateS is told, where `charging.rounding: cgrates` charges by it. Pure."""

from typing import Annotated

import msgspec

from ocs.config.constraints import Integer


class CgratesFigures(msgspec.Struct, frozen=True):
    """Its `general.rounding_decimals`, and keys of its `rals`."""

    rounding_decimals: Annotated[int, Integer(0, 9)] = 5
    max_increments: Annotated[int, Integer(1, 1_000_000_000)] = 1_000_000
    fallback_depth: Annotated[int, Integer(1, 100)] = 3
    subject_prefix_matching: bool = False
    remove_expired: bool = True
