"""`http_agent` of the incumbent's configuration: paths, bodies, request processors. Pure."""

from collections.abc import Mapping, Sequence

import msgspec

from ocs.cgrates.agents.http_payloads import Payload
from ocs.cgrates.agents.processors import Processor, ProcessorSection, processor_of
from ocs.cgrates.agents.sections import SectionError
from ocs.cgrates.agents.templates import TemplateError


class HttpAgentSection(msgspec.Struct, frozen=True):
    """One of `http_agent`."""

    id: str = ""
    url: str = ""
    sessions_conns: list[str] = []
    request_payload: str = "*url"
    reply_payload: str = "*xml"
    request_processors: list[ProcessorSection] = []


class HttpPlan(msgspec.Struct, frozen=True):
    """One of them as its agent uses it."""

    name: str
    url: str
    payload: Payload
    processors: tuple[Processor, ...]


def plans_of(sections: Sequence[HttpAgentSection], templates: object) -> tuple[HttpPlan, ...]:
    """What the sections say. Raises SectionError with the key at fault."""
    named = templates if isinstance(templates, Mapping) else {}
    found: dict[str, HttpPlan] = {}
    for number, section in enumerate(sections):
        place = f"http_agent[{number}]"
        url = section.url
        if not url.startswith("/") or "{" in url or "}" in url:
            raise SectionError(f'{place}.url: "{url[:60]}" is not a path such as /sms')
        if url in found:
            raise SectionError(f"{place}.url: {url[:60]} is that of another agent")
        try:
            payload = Payload.of(section.request_payload, section.reply_payload)
        except ValueError as error:
            raise SectionError(f"{place}.{error}") from None
        try:
            processors = tuple(
                _processor(each, f"{place}.request_processors[{index}]", named, payload)
                for index, each in enumerate(section.request_processors)
            )
        except TemplateError as error:
            raise SectionError(str(error)) from None
        found[url] = HttpPlan(section.id or url, url, payload, processors)
    return tuple(found.values())


def _processor(
    section: ProcessorSection, place: str, named: Mapping[str, object], payload: Payload
) -> Processor:
    made = processor_of(section, place, named, payload.check)
    if made.call == "*radauth":
        raise TemplateError(f"{place}.flags: *radauth is for RADIUS")
    return made
