"""What a refused request is refused with."""

import pytest

from ocs.diameter import avps
from ocs.diameter.avp import (
    DecodeError,
    scan,
)
from tests.support.gy import (
    event_of,
    options,
)


def refused(frame: bytes, **rules: object) -> DecodeError:
    with pytest.raises(DecodeError) as raised:
        event_of(frame, options(**rules))  # type: ignore[arg-type]
    return raised.value


def failed_keys(error: DecodeError) -> list[int]:
    """Keys from the outermost AVP of Failed-AVP down to the innermost."""
    keys: list[int] = []
    frame, start, end = error.failed_avp, 0, len(error.failed_avp)
    while start < end:
        first = scan(frame, start, end)[0]
        keys.append(first[0])
        if first[0] not in (456, 437, 446, 443, 413, 445, avps.SERVICE_INFORMATION, avps.PS_INFORMATION):
            break
        start, end = first[2], first[3]
    return keys
