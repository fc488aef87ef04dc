"""Where actions tell something outside: addresses of HTTP and of mail. Pure."""


def check_url(text: str) -> str:
    """The address a post goes to. Raises ValueError."""
    if not text.startswith(("http://", "https://")) or not text.isprintable() or " " in text:
        raise ValueError(f'"{text[:80]}" is not an address such as https://example.org/hook')
    return text


def check_address(text: str) -> str:
    """The address of a mail. Raises ValueError."""
    user, at, host = text.partition("@")
    if not (user and at and host) or not text.isprintable() or any(each in text for each in " ,;<>"):
        raise ValueError(f'"{text[:80]}" is not an address such as ops@example.org')
    return text
