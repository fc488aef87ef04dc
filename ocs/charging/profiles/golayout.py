"""Moments in the layouts of Go's time package, `2006-01-02 15:04:05` being the model. Pure."""

import re
from datetime import UTC, datetime

_FIELDS = re.compile(
    r"2006|January|Jan|Monday|Mon|MST|Z07:00|-07:00|-0700|01|02|03|04|05|06|15|PM|pm|[.,]0+|[.,]9+|1|2|_2|3|4|5"
)
_DIRECTIVES = {
    "2006": "%Y",
    "06": "%y",
    "January": "%B",
    "Jan": "%b",
    "01": "%m",
    "Monday": "%A",
    "Mon": "%a",
    "02": "%d",
    "15": "%H",
    "03": "%I",
    "04": "%M",
    "05": "%S",
    "PM": "%p",
    "MST": "%Z",
    "-0700": "%z",
}


def format_moment(at_ns: int, layout: str) -> str:
    """A moment in UTC by a layout."""
    seconds, rest = divmod(at_ns, 1_000_000_000)
    moment = datetime.fromtimestamp(seconds, UTC)

    def field(found: "re.Match[str]") -> str:
        text = found[0]
        directive = _DIRECTIVES.get(text)
        if directive is not None:
            return moment.strftime(directive)
        match text:
            case "Z07:00":
                return "Z"
            case "-07:00":
                return "+00:00"
            case "pm":
                return moment.strftime("%p").lower()
            case "1":
                return str(moment.month)
            case "2":
                return str(moment.day)
            case "_2":
                return f"{moment.day:2d}"
            case "3":
                return str(moment.hour % 12 or 12)
            case "4":
                return str(moment.minute)
            case "5":
                return str(moment.second)
        digits = f"{rest:09d}"[: len(text) - 1]
        if text[1] == "0":
            return text[0] + digits
        digits = digits.rstrip("0")
        return text[0] + digits if digits else ""

    return _FIELDS.sub(field, layout)
