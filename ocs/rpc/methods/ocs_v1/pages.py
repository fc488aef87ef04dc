"""Pages of lists: how many rows at most, and the cursor of the next page, which is text to whoever asks."""

from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from ocs.rpc.errors import InvalidParams

Limit = Annotated[int, msgspec.Meta(ge=1, le=1_000)]
Text = Annotated[str, msgspec.Meta(max_length=1_024)]


def cursor(after: str) -> int | None:
    """The store's cursor of a list that goes by number; None at the beginning."""
    if not after:
        return None
    if not after.isascii() or not after.isdigit() or len(after) > 18:
        raise InvalidParams("after: is not the next_after of a page")
    return int(after)


def cursor_text(next_after: str | int | None) -> str | UnsetType:
    """A cursor as results carry it; at the end there is none."""
    return UNSET if next_after is None else str(next_after)
