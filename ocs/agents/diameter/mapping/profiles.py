"""Client profiles as the mapping needs them, and which client gets which. Pure.

Built from the named profiles of the settings; a message is mapped by the profile of the peer entry that names
its Origin-Host, else by the one of the connection it came over, which a peer without an entry has by its product.
"""

from collections.abc import Iterable, Mapping

import msgspec

from ocs.charging.events import IdentityKind
from ocs.config.profiles import BY_PRODUCT
from ocs.config.settings import Peer, Profile

DEFAULT_NAME = "default"

_KINDS = {
    "imsi": IdentityKind.IMSI,
    "e164": IdentityKind.E164,
    "nai": IdentityKind.NAI,
    "sip_uri": IdentityKind.SIP_URI,
    "private": IdentityKind.PRIVATE,
}
_FAILURE_HANDLING = {"terminate": 0, "continue": 1, "retry_and_terminate": 2}
_DEBITING_FAILURE = {"none": None, "terminate_or_buffer": 0, "continue": 1}


class ClientProfile(msgspec.Struct, frozen=True, gc=False):
    """What one kind of client understands.

    `free_as_grant`: free service is answered 2001 with a large grant, as the client takes 4011 for a refusal.
    `refuses_bare_final_unit`: a final unit without units is answered 4012, as the client stops to count then.
    """

    name: str = DEFAULT_NAME
    final_unit: bool = True
    tariff_time_change: bool = False
    dual_quota: bool = False
    advice_of_charge: bool = True
    cost_information: bool = True  # also where no price was asked for
    cost_in_updates: bool = False
    rar: bool = True
    asr: bool = True
    thresholds: bool = True
    splits_octets: bool = False
    result_in_services: bool = True
    empty_group_echo: bool = False
    command_level_units: bool = True
    denies_per_service: bool = False
    priority: tuple[IdentityKind, ...] = tuple(_KINDS.values())
    country_code: str = ""  # of national numbers, which begin with `trunk_prefix`
    trunk_prefix: str = "0"
    strict: bool = False
    validity_ns: int | None = None
    late_answers: bool = False  # better late than "too busy"
    failure_handling: int = 0
    session_failover: int = 0
    debiting_failure_handling: int | None = 0
    free_as_grant: bool = False
    refuses_bare_final_unit: bool = False
    replaces_same_bearer: bool = False
    shows_balance: bool = True


# Facts about products that are no choice of an operator: recordings of Open5GS 2.8 (013, 034, 012, 009); the
# others are packet gateways that have no one to show a balance to.
_PRODUCTS: Mapping[str, Mapping[str, bool]] = {
    "open5gs": {
        "free_as_grant": True,
        "refuses_bare_final_unit": True,
        "replaces_same_bearer": True,
        "shows_balance": False,
    },
    "magma": {"shows_balance": False},
    "ergw": {"shows_balance": False},
}


def client_profile(name: str, settings: Profile) -> ClientProfile:
    """The profile of that name; `settings` come from the file or are built in."""
    product = _PRODUCTS.get(name, {})
    types = settings.unit_types
    return ClientProfile(
        name=name,
        final_unit=settings.final_unit != "none",
        tariff_time_change=settings.tariff_time_change,
        dual_quota=settings.dual_quota and settings.tariff_time_change,
        advice_of_charge=settings.advice_of_charge,
        cost_information=settings.cost_information,
        cost_in_updates=settings.cost_in_updates,
        rar=settings.rar,
        asr=settings.asr,
        thresholds=settings.thresholds,
        splits_octets="input_output_octets" in types and "total_octets" not in types,
        result_in_services=settings.result_in_services,
        empty_group_echo=settings.empty_group_echo,
        command_level_units=settings.command_level_units,
        denies_per_service=settings.all_denied == "service",
        priority=tuple(_KINDS[kind] for kind in settings.subscription_priority),
        country_code="" if settings.country_code is None else str(settings.country_code),
        trunk_prefix=settings.trunk_prefix,
        strict=settings.strict,
        validity_ns=settings.validity_ns,
        late_answers=settings.late_answers,
        failure_handling=_FAILURE_HANDLING[settings.ccfh],
        session_failover=int(settings.session_failover),
        debiting_failure_handling=_DEBITING_FAILURE[settings.ddfh],
        **product,
    )


class Profiles:
    """The profiles by name and by the Origin-Host of a configured peer, compared without case."""

    def __init__(self, named: Mapping[str, Profile], peers: Iterable[Peer] = ()) -> None:
        self.named = {name: client_profile(name, settings) for name, settings in named.items()}
        self.default = self.named.setdefault(DEFAULT_NAME, ClientProfile())
        self._hosts = {peer.origin_host.lower(): self.by_name(peer.profile) for peer in peers}

    def by_name(self, name: str) -> ClientProfile:
        """The profile of that name, or the default one."""
        return self.named.get(name, self.default)

    def configured(self, origin_host: str) -> ClientProfile | None:
        """The profile of the peer entry that names this Origin-Host."""
        return self._hosts.get(origin_host.lower())

    def of_peer(self, origin_host: str, product: str) -> ClientProfile | None:
        """The profile of a peer: of the entry that names it, else the one its Product-Name is known to need."""
        found = self.configured(origin_host)
        if found is None and product in BY_PRODUCT:
            return self.by_name(BY_PRODUCT[product])
        return found
