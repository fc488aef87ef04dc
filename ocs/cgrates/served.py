"""`ocs serve` with `charging.rounding: cgrates`: the server of `ocs cgrates` under the settings of ocs.yaml.

The tariff folder that `charging.tariffs` names is loaded when it is new or has changed; what its action plans run
at once runs then, and not at every start. Gy and the switch agents of ocs.yaml charge by the exact core alone.
"""

import hashlib
from pathlib import Path
from typing import Any

import structlog

from ocs.cgrates import config, program, tariff
from ocs.cgrates.kinds import Kind
from ocs.cgrates.listening import StartError
from ocs.cgrates.runtime import Runtime
from ocs.config.settings import Endpoint, Settings

log = structlog.get_logger()

INTERNAL = ["*internal"]
DIGEST = "tariff folder"  # key of the record that says which folder is loaded
SESSION_PARTS = ("attributes", "resources", "routes", "thresholds", "stats", "chargers", "rals", "cdrs")


def run(settings: Settings, data_dir: Path) -> int:
    """Serves until SIGTERM or SIGINT; the exit status."""
    folder = Path(settings.charging.tariffs)

    async def prepare(runtime: Runtime) -> None:
        log.warning("server.rounds_like_cgrates", left_out=["diameter", "freeswitch", "kamailio", "accounts"])
        await load_tariff(runtime, folder)

    return program.run_with(lambda: engine_settings(settings), data_dir, prepare)


def engine_settings(settings: Settings) -> config.Settings:
    """The settings in the incumbent's form, everything switched on. Raises StartError for what cannot be had."""
    rpc = settings.rpc
    if rpc.jsonrpc_tls or rpc.bidirectional_tls or rpc.http_tls:
        raise StartError("rpc: listeners inside TLS: not with charging.rounding: cgrates; use ocs cgrates")
    if not Path(settings.charging.tariffs).is_dir():
        raise StartError("charging.tariffs: with rounding: cgrates it is a CGRateS tariff folder")
    on: dict[str, Any] = {part: {"enabled": True} for part in (*SESSION_PARTS, "apiers", "schedulers")}
    on["cdrs"] |= {"chargers_conns": INTERNAL, "rals_conns": INTERNAL}
    sessions = {f"{part}_conns": INTERNAL for part in SESSION_PARTS}
    return config.read(
        {
            **on,
            "sessions": {"enabled": True, **sessions},
            "general": {"default_timezone": settings.charging.time_zone},
            "listen": {
                "rpc_json": _address(rpc.jsonrpc),
                "birpc_json": _address(rpc.bidirectional),
                "http": _address(rpc.http),
            },
        }
    )


async def load_tariff(runtime: Runtime, folder: Path) -> None:
    """Loads a folder whose files are not those that were loaded last. Raises StartError."""
    try:
        digest = _digest(folder)
        if runtime.state.tables[Kind.META].get(DIGEST) == digest:
            return
        await runtime.load_folder(folder)
    except (OSError, UnicodeDecodeError, tariff.TariffError) as error:
        raise StartError(f"charging.tariffs: {folder}: {error}") from error
    runtime.state.put(Kind.META, DIGEST, digest)
    await runtime.durable()


def _digest(folder: Path) -> str:
    found = hashlib.sha256()
    for name, text in tariff.read_folder(folder):
        found.update(f"{len(name)} {len(text)} {name}{text}".encode("utf-8", "surrogatepass"))
    return found.hexdigest()


def _address(endpoint: Endpoint | None) -> str:
    return "" if endpoint is None else f"{endpoint.address}:{endpoint.port}"
