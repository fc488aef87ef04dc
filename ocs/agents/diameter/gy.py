"""The Gy mapping's two doors: request to event, answer to bytes. Pure."""

from ocs.agents.diameter.mapping.answer import AnswerWriter
from ocs.agents.diameter.mapping.credit_control import Client, CreditControlRequest, note_state
from ocs.agents.diameter.mapping.options import GyOptions
from ocs.agents.diameter.mapping.profiles import ClientProfile
from ocs.agents.diameter.mapping.request import GyReader
from ocs.charging.events import ChargingEvent
from ocs.diameter.message import Message

__all__ = ["AnswerWriter", "Client", "CreditControlRequest", "GyReader", "charging_event", "note_state"]


def charging_event(
    message: Message, profile: ClientProfile | None, options: GyOptions, now_ns: int
) -> ChargingEvent:
    """The event one CCR is, without anything remembered; DecodeError says what to refuse it with."""
    return GyReader(options).read(message, "", profile, now_ns).event
