"""SessionSv1: calls are signed, and their signatures checked (STIR/SHAKEN)."""

from collections.abc import Mapping
from typing import Any

from ocs.cgrates.objects.given import Given
from ocs.cgrates.objects.plain import plain
from ocs.cgrates.passport import ANY, Expected
from ocs.cgrates.runtime import Runtime
from ocs.charging.cgrates.values import duration_ns
from ocs.rpc.caller import Role
from ocs.rpc.methods.cgrates.method import method
from ocs.rpc.registry import Registry
from ocs.sessions import values
from ocs.sessions.flags import Flags
from ocs.sessions.model import CgrEvent

NS = 1_000_000_000
RAW = "*raw"
Payload = dict[str, Any]


def register(registry: Registry) -> None:
    """Adds the methods to a registry."""
    method(registry, "SessionSv1.STIRAuthenticate", Role.CHARGE)(authenticate)
    method(registry, "SessionSv1.STIRIdentity", Role.CHARGE)(identity)


async def authenticate(runtime: Runtime, params: Given) -> str:
    """Checks the Identity header of a call: who signed it, when, and for whom."""
    params.require("Identity")
    longest = params.text("PayloadMaxDuration")
    expected = Expected(
        params.texts("Attest") or tuple(runtime.stir.section.allowed_attest),
        params.text("OriginatorTn"),
        params.text("OriginatorURI"),
        params.text("DestinationTn"),
        params.text("DestinationURI"),
        duration_ns(longest) if longest else runtime.stir.section.payload_maxduration,
    )
    await runtime.stir.authenticate(params.text("Identity"), expected)
    return "OK"


async def identity(runtime: Runtime, params: Given) -> str:
    """The Identity header of a call, signed."""
    params.require("Payload")
    told = params.inner("Payload")
    origin, destination = told.inner("orig"), told.inner("dest")
    now = runtime.wall_ns() // NS
    issued = now if params.flag("OverwriteIAT") else told.integer("iat", now)
    payload = _payload(
        told.text("attest"),
        (list(destination.texts("tn")), list(destination.texts("uri"))),
        (origin.text("tn"), origin.text("uri")),
        issued,
        told.text("origid"),
    )
    return await runtime.stir.sign(payload, params.text("PublicKeyPath"), params.text("PrivateKeyPath"))


def _payload(
    attest: str,
    destination: tuple[list[str], list[str]],
    origin: tuple[str, str],
    issued: int,
    origin_id: str,
) -> Payload:
    """The claims of a call; what is empty of its parties is left out."""
    to = {name: found for name, found in zip(("tn", "uri"), destination, strict=True) if found}
    by = {name: found for name, found in zip(("tn", "uri"), origin, strict=True) if found}
    return {"attest": attest, "dest": to, "iat": issued, "orig": by, "origid": origin_id}


# --- as flags of an event


async def authenticate_event(runtime: Runtime, event: CgrEvent, flags: Flags) -> None:
    """What `*stir_authenticate` asks for. Raises ServiceError, ValueError."""
    if "*stir_authenticate" not in flags:
        return
    options = event.options
    attests = options.get("*stirATest")
    longest = _text(options, "*stirPayloadMaxDuration")
    expected = Expected(
        tuple(Given({"a": plain(attests)}).texts("a"))
        or tuple(runtime.stir.section.allowed_attest)
        or (ANY,),
        _text(options, "*stirOriginatorTn") or values.text(event.event.get("Account")),
        _text(options, "*stirOriginatorURI"),
        _text(options, "*stirDestinationTn") or values.text(event.event.get("Destination")),
        _text(options, "*stirDestinationURI"),
        duration_ns(longest) if longest else runtime.stir.section.payload_maxduration,
    )
    await runtime.stir.authenticate(_text(options, "*stirIdentity"), expected)


async def identify_event(runtime: Runtime, event: CgrEvent, flags: Flags) -> dict[str, str]:
    """What `*stir_initiate` asks for, by run id. Raises ServiceError."""
    if "*stir_initiate" not in flags:
        return {}
    options = event.options
    uris = _text(options, "*stirDestinationURI"), _text(options, "*stirOriginatorURI")
    numbers = _text(options, "*stirDestinationTn"), _text(options, "*stirOriginatorTn")
    called = numbers[0] or ("" if uris[0] else values.text(event.event.get("Destination")))
    calling = numbers[1] or ("" if uris[1] else values.text(event.event.get("Account")))
    payload = _payload(
        _text(options, "*stirATest") or runtime.stir.section.default_attest,
        ([called] if called else [], [uris[0]] if uris[0] else []),
        (calling, uris[1]),
        runtime.wall_ns() // NS,
        values.text(event.event.get("OriginID")) or runtime.new_id(),
    )
    paths = _text(options, "*stirPublicKeyPath"), _text(options, "*stirPrivateKeyPath")
    return {RAW: await runtime.stir.sign(payload, *paths)}


def _text(options: Mapping[str, Any], name: str) -> str:
    return values.text(options.get(name))
