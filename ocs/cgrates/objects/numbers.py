"""Numbers and moments as the incumbent's answers write them. Pure."""

from datetime import UTC, datetime, timedelta, timezone

NANOS = 1_000_000_000
NO_TIME = "0001-01-01T00:00:00Z"


def number(nanos: int) -> int | float:
    """Nanos as a JSON number: whole where it is whole, else the nearest double."""
    whole, rest = divmod(nanos, NANOS)
    return whole if rest == 0 else nanos / NANOS


def real(value: float) -> int | float:
    """A double as a JSON number, whole where it is whole."""
    return int(value) if value == int(value) and abs(value) < 1e15 else value


def decimal(nanos: int) -> str:
    """Nanos as an exact decimal text: 1500000000 is `1.5`."""
    sign, size = ("-", -nanos) if nanos < 0 else ("", nanos)
    whole, rest = divmod(size, NANOS)
    return f"{sign}{whole}.{rest:09d}".rstrip("0") if rest else f"{sign}{whole}"


def moment(at_ns: int | None, offset_ns: int = 0) -> str:
    """RFC 3339 text on the clock of an offset; None is the time before all others."""
    if at_ns is None:
        return NO_TIME
    zone = timezone(timedelta(seconds=offset_ns // NANOS)) if offset_ns else UTC
    seconds, rest = divmod(at_ns, NANOS)
    text = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).astimezone(zone).isoformat()
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    return f"{text[:19]}{fraction}{text[19:]}".replace("+00:00", "Z")


def duration(length_ns: int) -> str:
    """A length as Go writes it: `1m30s`, `1h0m0s`, `1.5s`, `20ms`, `0s`."""
    sign, size = ("-", -length_ns) if length_ns < 0 else ("", length_ns)
    if size == 0:
        return "0s"
    for unit, scale in (("ns", 1_000), ("µs", 1_000_000), ("ms", NANOS)):
        if size < scale:
            return f"{sign}{_fraction(size, scale // 1_000)}{unit}"
    seconds = _fraction(size % (60 * NANOS), NANOS)
    minutes, hours = size // (60 * NANOS) % 60, size // (3_600 * NANOS)
    if hours:
        return f"{sign}{hours}h{minutes}m{seconds}s"
    return f"{sign}{minutes}m{seconds}s" if minutes else f"{sign}{seconds}s"


def time_of_day(start_ns: int) -> str:
    """`HH:MM:SS` of ns since midnight."""
    seconds = start_ns // NANOS
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _fraction(size: int, scale: int) -> str:
    whole, rest = divmod(size, scale)
    digits = len(str(scale)) - 1
    return f"{whole}.{rest:0{digits}d}".rstrip("0") if rest else str(whole)
