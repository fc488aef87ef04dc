"""What a server starts with: its tariff, the accounts of a new store, the store, and the data folder for itself."""

import asyncio
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import structlog

from ocs.charging import acts
from ocs.charging.accounts_file import Template, read_accounts
from ocs.charging.decision import Change
from ocs.charging.service import ChargingService
from ocs.charging.store import Keeper, Store, VersionConflict
from ocs.charging.store.memory import MemoryStore
from ocs.charging.store.sqlite import SqliteStore
from ocs.charging.tariff.catalogue import Catalogue
from ocs.config.settings import SHIPPED, Settings
from ocs.config.shipped import demo_file
from ocs.metrics import Metrics
from ocs.tariff_reading import TariffError
from ocs.tariff_versions import VersionError
from ocs.tariffs import Tariffs

log = structlog.get_logger()

SEED_BATCH = 500  # accounts made durable together when a new store is filled


class OpenStore(Store, Keeper, Protocol):
    """Any store; `born_s` is when its data was begun."""

    born_s: int


class StartError(Exception):
    """The server cannot start as configured; the message says why, line by line."""


def load_catalogue(tariffs: Tariffs) -> Catalogue:
    """The active version, or the tariffs the settings name; StartError with every problem."""
    try:
        return tariffs.start()
    except (TariffError, VersionError) as error:
        raise StartError(str(error)) from error


def load_templates(settings: Settings) -> tuple[Template, ...]:
    """The accounts to begin with; StartError with every problem of the file."""
    if settings.charging.accounts is None:
        return ()
    path = _shipped_or(settings.charging.accounts, "accounts.yaml")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StartError(f"{path}:1:1: cannot be read: {error}") from error
    templates, problems = read_accounts(text, str(path))
    if problems:
        raise StartError("\n".join(map(str, problems)))
    return templates


def _shipped_or(name: str, shipped: str) -> Path:
    return demo_file(shipped) if name == SHIPPED else Path(name)


async def open_store(settings: Settings, data_dir: Path, metrics: Metrics) -> OpenStore:
    store = settings.store
    if store.kind == "memory":
        return MemoryStore()
    if store.kind == "redis":
        from ocs.charging.store.redis import RedisStore  # its library takes a while to import

        return await RedisStore.open(store.redis, store.batch_commits, metrics.committed)
    path = data_dir / store.path
    return SqliteStore(
        path,
        store.batch_commits,
        on_commit=metrics.committed,
        page_cache_octets=store.page_cache_octets,
    )


async def seed(service: ChargingService, templates: tuple[Template, ...], stop: asyncio.Event) -> None:
    """Open the accounts a template names that the store does not have yet, until told to stop."""
    opened = 0
    for template in templates:
        first = template.key.replace("{n}", str(template.first))
        last = template.key.replace("{n}", str(template.first + template.count - 1))
        if await service.store.load(first) is not None and await service.store.load(last) is not None:
            continue
        batch: list[asyncio.Task[None]] = []
        for new in template.accounts():
            if await service.store.load(new.key) is None:
                batch.append(asyncio.create_task(_open_account(service, new)))
                opened += 1
            if len(batch) >= SEED_BATCH:
                await asyncio.gather(*batch)
                batch.clear()
                if stop.is_set():
                    return
        await asyncio.gather(*batch)
    if opened:
        log.info("accounts.opened", count=opened)


async def _open_account(service: ChargingService, new: acts.NewAccount) -> None:
    act = acts.Act("seed", service.now_ns(), "accounts file")
    account, posting = acts.create(new, act)
    try:
        await service.create(Change(account, () if posting is None else (posting,), has_new_identities=True))
    except VersionConflict:
        if await service.store.load(new.key) is None:  # not that another node was quicker
            raise


@contextmanager
def only_one_server(data_dir: Path) -> Iterator[None]:
    """A lock on the data folder: two servers on one store would not see each other's changes."""
    with (data_dir / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StartError(f"{data_dir}: another server uses this data folder") from error
        yield
