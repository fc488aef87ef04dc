"""What a session or CDR method answers when it cannot do what is asked, in the incumbent's words. Pure."""


class ServiceError(Exception):
    """The text is the answer: `NOT_FOUND`, `RALS_ERROR:ACCOUNT_NOT_FOUND` ..."""


class Outrun(Exception):
    """Another server has changed what a step was decided on: it has not happened, and is to be taken again."""


def missing(*names: str) -> ServiceError:
    """Mandatory members that are not there."""
    return ServiceError(f"MANDATORY_IE_MISSING: [{' '.join(names)}]")


def wrapped(subsystem: str, text: str) -> ServiceError:
    """An error of a subsystem, such as `RALS_ERROR:INSUFFICIENT_CREDIT`."""
    return ServiceError(f"{subsystem}_ERROR:{text}")


NOT_FOUND = "NOT_FOUND"
EXISTS = "EXISTS"
PARTIALLY_EXECUTED = "PARTIALLY_EXECUTED"
