"""What profiles of the context `*radius` say about a user: a password, and attributes of the answer."""

import structlog

from ocs.cgrates.runtime import Runtime
from ocs.sessions.errors import NOT_FOUND, ServiceError
from ocs.sessions.model import CgrEvent

log = structlog.get_logger()

CONTEXT = "*radius"
REQUEST = "*req."


class RadiusProperties:
    """Attribute profiles of the context `*radius`, on the fields of a request."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def __call__(self, tenant: str, fields: dict[str, str]) -> tuple[tuple[str, str], ...]:
        """The fields that profiles gave, with their values; none where no profile matches."""
        event = CgrEvent(tenant, dict(fields))
        try:
            found = self._runtime.surroundings.attributes(event, (), CONTEXT)
        except ServiceError as error:
            if str(error) != NOT_FOUND:
                log.warning("radius.profiles_failed", reason=str(error))
            return ()
        after = found.event.event
        names = [name.removeprefix(REQUEST) for name in found.altered if name.startswith(REQUEST)]
        return tuple((name, str(after[name])) for name in names if name in after)
