"""Kamailio's messages as free-form events, named as CGRateS' agent names them. Pure."""

from ocs.agents.kamailio.mapping import LONGEST_EXTRA, LONGEST_NAME
from ocs.agents.kamailio.messages import Message
from ocs.agents.voice.options import options_of
from ocs.charging.events import FreeEvent

SOURCE = "KamailioAgent"
OF_THE_AGENT = frozenset({"tr_index", "tr_label", "reply_route", "cgr_flags", "cgr_opts"})


def free_event(message: Message, client: str) -> FreeEvent:
    """All fields of a message but those that are about the message itself."""
    found = {
        name[:LONGEST_NAME]: value[:LONGEST_EXTRA]
        for name in message.fields
        if name not in OF_THE_AGENT and (value := message.get(name))
    }
    found.setdefault("Source", SOURCE)
    found.setdefault("OriginHost", client)
    return FreeEvent(tuple(found.items()), options_of(message.get("cgr_opts")), message.get("cgr_flags"))
