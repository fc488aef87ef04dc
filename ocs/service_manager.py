"""What systemd is told of this process, where it asks to be (sd_notify(3)): ready, reloading, stopping, alive."""

import asyncio
import os
import socket
import time
from collections.abc import Mapping
from typing import Final

import structlog

log = structlog.get_logger()

MICROSECONDS: Final = 1_000_000


class ServiceManager:
    """The socket of NOTIFY_SOCKET; without one nothing is told to anybody."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        interval = environment.get("WATCHDOG_USEC", "")
        for_us = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_s = int(interval) / MICROSECONDS if interval.isdigit() and for_us else 0.0

    def ready(self) -> None:
        """Every listener accepts."""
        self._tell("READY=1")

    def reloading(self) -> None:
        """The settings are being read again; `ready` ends that."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1_000}")

    def stopping(self) -> None:
        """The drain has begun."""
        self._tell("STOPPING=1")

    async def run(self) -> None:
        """Say twice an interval that the event loop turns; a loop that hangs is ended by systemd."""
        while self.watchdog_s and self._address:
            self._tell("WATCHDOG=1")
            await asyncio.sleep(self.watchdog_s / 2)

    def _tell(self, state: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
                told.setblocking(False)
                told.sendto(state.encode(), self._address)
        except OSError as error:
            log.warning("service_manager.unreachable", error=str(error))
