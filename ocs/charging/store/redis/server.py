"""Where the primary is, whether it may be trusted with money, and the functions it needs.

This is redis-py's part: topology, a look at the server's settings, loading functions. Commits and reads go over
`connection`, at a tenth of the price.
"""

import asyncio
import hashlib
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import redis
import redis.asyncio
import redis.asyncio.sentinel
import structlog
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.connection import parse_url

from ocs.charging.store import StoreUnavailable
from ocs.charging.store.redis.connection import Target
from ocs.config.settings import RedisSettings

log = structlog.get_logger()

LAYOUT = 1  # of the keys
OLDEST = (7, 0)  # functions
DURABLE = "store.redis.durability"


FOUND = TypeVar("FOUND")


class Unfit(StoreUnavailable):
    """A server that is there and must not be used; the message says what to change."""


class Server(msgspec.Struct, frozen=True):
    """What a look at the server has found."""

    target: Target
    library: str
    born_s: int


def library() -> tuple[str, str]:
    """The functions under a name of their own for every version of them, so that two versions may be in use."""
    text = resources.files(__package__).joinpath("functions.lua").read_text(encoding="utf-8")
    name = f"ocs_{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    return name, text.replace("ocs_library", name)


class Servers:
    """Finds the primary the settings mean, and looks at it."""

    def __init__(self, settings: RedisSettings) -> None:
        self._settings = settings
        self._library, self._text = library()
        self._said: set[str] = set()
        try:
            self._options: dict[str, Any] = dict(parse_url(settings.url))  # type: ignore[no-untyped-call]
            self._options.pop("connection_class", None)
            if settings.username is not None:
                self._options["username"] = settings.username
            if settings.password_file is not None:
                text = Path(settings.password_file).read_text(encoding="utf-8")
                self._options["password"] = text.partition("\n")[0].strip()
            self._tls = _tls(settings)
        except (OSError, ValueError) as error:
            raise StoreUnavailable(f"store.redis: {error}") from error

    async def find(self) -> Server:
        """The primary, when it is fit; its functions are loaded. Raises StoreUnavailable."""
        return await self._asked(self._inspected)

    async def examine(self) -> tuple[str, list[str]]:
        """Version of the primary, and what of it would lose acknowledged changes; it is left as it is.

        Raises StoreUnavailable.
        """
        return await self._asked(self._examined)

    async def _asked(self, ask: Callable[[Any, Mapping[str, Any]], Awaitable[FOUND]]) -> FOUND:
        try:
            options = {**self._options, **await self._primary()}
            async with asyncio.timeout(self._settings.timeout_ns / 1e9):
                client = redis.asyncio.Redis(**options, **self._secured(), retry=Retry(NoBackoff(), 0))
                async with client:
                    return await ask(client, options)
        except TimeoutError:
            raise StoreUnavailable(f"{self._settings.url}: does not answer in time") from None
        except redis.RedisError as error:
            raise StoreUnavailable(f"{self._settings.url}: {error}") from error

    async def _examined(self, client: Any, options: Mapping[str, Any]) -> tuple[str, list[str]]:
        info = await client.info()
        _refuse_what_cannot_work(info, _where(options))
        problems = _not_durable(info, await _configured(client), self._settings.replicas)
        return str(info.get("redis_version")), problems

    def reader(self) -> redis.Redis:
        """A client that waits, for the start: nothing else is done meanwhile."""
        seconds = self._settings.timeout_ns / 1e9
        return redis.Redis(**self._options, **self._secured(), socket_timeout=max(seconds, 30.0))

    def _secured(self) -> dict[str, Any]:
        if self._tls is None:
            return {}
        settings = self._settings
        return {
            "ssl": True,
            "ssl_ca_certs": settings.ca,
            "ssl_certfile": settings.certificate,
            "ssl_keyfile": settings.key,
        }

    async def _primary(self) -> dict[str, Any]:
        """Address of the primary, from the first sentinel that knows it; nothing without sentinels."""
        settings = self._settings
        if not settings.sentinels:
            return {}
        addresses = [(each.host, each.port) for each in settings.sentinels]
        sentinel: Any = redis.asyncio.sentinel.Sentinel(  # type: ignore[no-untyped-call]
            addresses, socket_timeout=1.0, socket_connect_timeout=1.0
        )
        try:
            host, port = await sentinel.discover_master(settings.primary or "")
        finally:
            for each in sentinel.sentinels:
                await each.aclose()
        self._options |= {"host": host, "port": port}  # for `reader`
        return {"host": host, "port": port}

    async def _inspected(self, client: Any, options: Mapping[str, Any]) -> Server:
        info = await client.info()
        where = _where(options)
        _refuse_what_cannot_work(info, where)
        self._check_durability(info, await _configured(client), where)
        await self._load(client)
        born_s = await self._layout(client, where)
        greeting = []
        if options.get("password") is not None:
            user = options.get("username")
            greeting.append(("AUTH", *(() if user is None else (user,)), options["password"]))
        if options.get("db"):
            greeting.append(("SELECT", str(options["db"])))
        return Server(Target(where, tuple(greeting), self._tls), self._library, born_s)

    def _check_durability(self, info: Mapping[str, Any], found: Mapping[str, str], where: object) -> None:
        """Say loudly, or refuse, what would lose acknowledged changes."""
        problems = list(_not_durable(info, found, self._settings.replicas))
        if not problems:
            return
        text = f"{_shown(where)}: {'; '.join(problems)}"
        if self._settings.durability == "required":
            raise Unfit(f"{text}. To charge all the same, set {DURABLE}: reported")
        if text not in self._said:
            self._said.add(text)
            log.warning("store.not_durable", redis=_shown(where), problems=problems)

    async def _load(self, client: Any) -> None:
        loaded = await client.execute_command("FUNCTION", "LIST", "LIBRARYNAME", self._library)
        if not loaded:
            await client.execute_command("FUNCTION", "LOAD", "REPLACE", self._text)

    async def _layout(self, client: Any, where: object) -> int:
        """When the data was begun; a layout of another program is refused, never guessed at."""
        key = f"{self._settings.prefix}:meta"
        await client.hsetnx(key, "layout", LAYOUT)
        await client.hsetnx(key, "born_s", int(time.time()))
        layout, born_s = await client.hmget(key, "layout", "born_s")
        if int(layout) != LAYOUT:
            raise Unfit(
                f"{_shown(where)}: {key} has layout {int(layout)}; this program writes layout {LAYOUT}"
            )
        return int(born_s)


def _refuse_what_cannot_work(info: Mapping[str, Any], where: object) -> None:
    version = str(info.get("redis_version", "0"))
    if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < OLDEST:
        raise Unfit(f"{_shown(where)}: version {version}; functions need 7.0")
    if info.get("cluster_enabled"):
        raise Unfit(f"{_shown(where)}: a Redis Cluster; what is committed together must be on one primary")
    if info.get("role") not in ("master", None):
        raise StoreUnavailable(f"{_shown(where)}: is a replica")
    if info.get("loading"):
        raise StoreUnavailable(f"{_shown(where)}: is loading its data")


def _not_durable(info: Mapping[str, Any], found: Mapping[str, str], replicas: int) -> list[str]:
    """What would lose changes that were acknowledged."""
    problems = []
    if not info.get("aof_enabled"):
        problems.append("appendonly is no: set it to yes")
    elif found.get("appendfsync") != "always" and not replicas:
        problems.append(f"appendfsync is {found.get('appendfsync', 'not told')}: set it to always")
    policy = info.get("maxmemory_policy", found.get("maxmemory-policy", "noeviction"))
    if policy != "noeviction":
        problems.append(f"maxmemory-policy is {policy}: set it to noeviction, or accounts are thrown away")
    return problems


async def _configured(client: Any) -> Mapping[str, str]:
    try:
        found: Mapping[str, str] = {
            _text(name): _text(value) for name, value in (await client.config_get("appendfsync")).items()
        }
    except redis.ResponseError:  # CONFIG is not for everybody
        return {}
    return found


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _where(options: Mapping[str, Any]) -> str | tuple[str, int]:
    path = options.get("path")
    return str(path) if path else (str(options.get("host", "localhost")), int(options.get("port", 6379)))


def _shown(where: object) -> str:
    return (
        str(where) if isinstance(where, str) else "{}:{}".format(*where) if isinstance(where, tuple) else ""
    )


def _tls(settings: RedisSettings) -> ssl.SSLContext | None:
    if not settings.url.startswith("rediss://"):
        return None
    context = ssl.create_default_context(cafile=settings.ca)
    if settings.certificate is not None:
        context.load_cert_chain(settings.certificate, settings.key)
    return context
