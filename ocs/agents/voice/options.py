"""The texts in which dialplans and scripts give options and flags. Pure."""

OPTIONS_LIMIT = 64


def options_of(text: str) -> tuple[tuple[str, str], ...]:
    """`name:value,name2:value2`; a name without a value is left out."""
    found = []
    for each in text.split(",")[:OPTIONS_LIMIT]:
        name, colon, value = each.strip().partition(":")
        if name and colon:
            found.append((name, value))
    return tuple(found)


def flags_of(text: str) -> dict[str, str]:
    """`*attributes;*routes:*event_cost&*max_cost:1`: flags, each with what follows its colon."""
    found = {}
    for each in text.replace(";", "\n").split("\n"):
        name, _, rest = each.strip().partition(":")
        if "&" in name:  # FreeSWITCH cannot have a ";" in some places
            found.update(dict.fromkeys(filter(None, name.split("&")[:-1]), ""))
            name = name.rpartition("&")[2]
        if name:
            found[name] = rest
    return found
