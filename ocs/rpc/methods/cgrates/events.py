"""What methods that look at one event have in common."""

from collections.abc import Sized
from typing import TypeVar

from ocs.cgrates.objects.given import Given
from ocs.cgrates.runtime import Runtime
from ocs.rpc.methods.cgrates.session_forms import bare_event
from ocs.sessions.errors import NOT_FOUND, ServiceError, missing
from ocs.sessions.model import CgrEvent

T = TypeVar("T")


def filtered_event(runtime: Runtime, params: Given) -> CgrEvent:
    """The event in the parameters. Raises ServiceError where there is none."""
    if not params.mapping("Event"):
        raise missing("Event")
    return bare_event(runtime, params)


def found_or_error(found: T | None) -> T:
    """What was found; NOT_FOUND for nothing, and for an empty list."""
    if found is None or (isinstance(found, Sized) and not len(found)):
        raise ServiceError(NOT_FOUND)
    return found


def name_of(runtime: Runtime, params: Given) -> tuple[str, str]:
    """The tenant and the id in the parameters. Raises ServiceError where there is no id."""
    name = params.text("ID")
    if not name:
        raise missing("ID")
    return params.text("Tenant") or runtime.tenant, name
