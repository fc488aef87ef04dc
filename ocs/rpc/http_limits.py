"""What clients of HTTP may use up, each address for itself; programs of this machine share nothing but the rate."""

import msgspec

from ocs.rpc.caller import is_loopback

SECOND_NS = 1_000_000_000


class HttpLimits(msgspec.Struct, frozen=True):
    """What connections and requests may use up at most."""

    connections: int = 256
    address_connections: int = 64
    in_flight: int = 100  # calls of one address
    requests_per_second: int = 0  # of one address; 0: as fast as it goes
    head_ns: int = 10 * SECOND_NS  # from the first octet of a request to the end of its headers
    body_ns: int = 10 * SECOND_NS
    idle_ns: int = 60 * SECOND_NS  # between two requests
    body_octets: int = 256 << 20  # bodies under way of all connections


class _Share:
    """What one address uses."""

    __slots__ = ("allowance", "calls", "connections", "refilled_ns")

    def __init__(self, allowance: float, now_ns: int) -> None:
        self.connections = self.calls = 0
        self.allowance = allowance
        self.refilled_ns = now_ns


class Shares:
    """Counts what is used, and says whether there may be more."""

    def __init__(self, limits: HttpLimits) -> None:
        self._limits = limits
        self._shares: dict[str, _Share] = {}
        self._body_octets = 0

    def connect(self, host: str, now_ns: int) -> bool:
        """One more connection of an address."""
        share = self._share(host, now_ns)
        if share.connections >= self._limits.address_connections and not is_loopback(host):
            return False
        share.connections += 1
        return True

    def disconnect(self, host: str) -> None:
        """One fewer; the calls that came over it may still be under way."""
        self._shares[host].connections -= 1
        self._forget(host)

    def ask(self, host: str, now_ns: int) -> bool:
        """One more request of an address, where it has not had its requests of this second."""
        rate = self._limits.requests_per_second
        if not rate:
            return True
        share = self._share(host, now_ns)
        elapsed_ns = now_ns - share.refilled_ns
        share.allowance = min(float(rate), share.allowance + elapsed_ns * rate / SECOND_NS)
        share.refilled_ns = now_ns
        if share.allowance < 1.0:
            return False
        share.allowance -= 1.0
        return True

    def begin(self, host: str, octets: int, now_ns: int) -> bool:
        """One more call, with a body of so many octets."""
        share, limits = self._share(host, now_ns), self._limits
        is_full = share.calls >= limits.in_flight and not is_loopback(host)
        if is_full or self._body_octets + octets > limits.body_octets:
            return False
        share.calls += 1
        self._body_octets += octets
        return True

    def end(self, host: str, octets: int) -> None:
        """A call is answered."""
        self._body_octets -= octets
        self._shares[host].calls -= 1
        self._forget(host)

    def sweep(self, now_ns: int) -> None:
        """Forget addresses that are gone and have all their requests again."""
        for host, share in list(self._shares.items()):
            if not share.connections and not share.calls and now_ns - share.refilled_ns > SECOND_NS:
                del self._shares[host]

    def _share(self, host: str, now_ns: int) -> _Share:
        """What an address uses; of a client that has gone already it may be a new one."""
        share = self._shares.get(host)
        if share is None:
            share = self._shares[host] = _Share(float(self._limits.requests_per_second), now_ns)
        return share

    def _forget(self, host: str) -> None:
        """Forget an address that uses nothing, unless it could come back to ask too often."""
        share = self._shares[host]
        if not share.connections and not share.calls and not self._limits.requests_per_second:
            del self._shares[host]
