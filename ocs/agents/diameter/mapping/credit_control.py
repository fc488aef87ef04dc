"""A mapped Credit-Control-Request and the client it is of: what stands between event and answer. Pure."""

from ocs.agents.diameter.mapping.profiles import ClientProfile
from ocs.charging.events import ChargingEvent

ServiceKey = tuple[int | None, tuple[int, ...]]


class Client:
    """A client as its messages name it; `state_id` is the highest Origin-State-Id seen, `kept_id` that on disk."""

    __slots__ = ("kept_id", "name", "own_profile", "realm", "state_id")

    def __init__(
        self, name: str, realm: str, own_profile: ClientProfile | None, state_id: int | None = None
    ) -> None:
        self.name = name
        self.realm = realm
        self.own_profile = own_profile
        self.state_id = self.kept_id = state_id


class CreditControlRequest:
    """A CCR as mapped, with what its answer needs besides the event."""

    __slots__ = (
        "advice", "client", "command_level", "contradictions", "event", "ignored", "impossible",
        "is_misnamed", "knows_overload", "number", "profile", "proxy_infos", "restarted", "session_id", "splits",
    )  # fmt: skip

    def __init__(
        self, event: ChargingEvent, client: Client, profile: ClientProfile, session_id: bytes, number: int
    ) -> None:
        self.event = event
        self.number = number
        self.client = client
        self.profile = profile
        self.session_id = session_id  # the AVP
        self.proxy_infos = b""
        self.command_level = False
        self.splits: dict[ServiceKey, tuple[int, int]] | None = None
        self.ignored = 0  # unknown AVPs with the M bit
        self.restarted = False  # Origin-State-Id rose
        self.contradictions = 0  # Used-Service-Units whose total is not the sum of its parts
        self.impossible = b""  # Failed-AVP of a usage that no session can have
        self.is_misnamed = False  # Auth-Application-Id is not that of the header
        self.knows_overload = False  # RFC 7683
        self.advice = 0  # AoC-Request-Type


def note_state(client: Client, state_id: int) -> bool:
    """Whether a client's Origin-State-Id rose: all its sessions are gone then (RFC 6733 8.16)."""
    known = client.state_id
    if known is None or state_id > known:
        client.state_id = state_id
        return known is not None
    return False
