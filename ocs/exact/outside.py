"""What actions of accounts tell outside: posts and mails, at least once, behind the change that asks for them.

A notice waits in the outbox of the exporters, in the same commit as the change; every target has a lane of its own,
so that one that is silent holds up nobody else. After `attempts` tries a notice is kept as a file and told aloud.
"""

import asyncio
import smtplib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

import structlog

from ocs.cgrates.exports import Spawn, StateOutbox
from ocs.cgrates.state import State
from ocs.charging.actions.model import Do, Notice
from ocs.config.exchange import SECOND_NS, ActionSettings
from ocs.exporting import failed
from ocs.exporting.delivery import Delivery, Exporter, replay
from ocs.exporting.records import Record, Row
from ocs.exporting.sinks import HttpSink, Sink, SinkFailed

log = structlog.get_logger()

LANES = {Do.POST: "post ", Do.MAIL: "mail "}
MEMBERS = ("Account", "Actions", "Text", "By", "Reason", "Time")


class MailSink:
    """One address; each row is a mail, with the row's key as its Message-ID."""

    def __init__(self, address: str, settings: ActionSettings) -> None:
        self._address = address
        self._settings = settings

    async def write(self, rows: Sequence[Row]) -> None:
        """Hand mails to the server, one after the other. Raises SinkFailed."""
        if self._settings.mail_server is None:
            raise SinkFailed(f"mail to {self._address}: ocs.yaml has no actions.mail_server")
        try:
            await asyncio.to_thread(self._send, rows)
        except (OSError, ValueError, smtplib.SMTPException) as error:
            raise SinkFailed(f"mail to {self._address}: {error}") from error

    async def close(self) -> None:
        """Nothing is open between two mails."""

    def _send(self, rows: Sequence[Row]) -> None:
        settings = self._settings
        timeout_s = settings.timeout_ns / SECOND_NS
        with smtplib.SMTP(settings.mail_server or "", settings.mail_port, timeout=timeout_s) as server:
            for row in rows:
                members = dict(row.members)
                mail = EmailMessage()
                mail["From"], mail["To"] = settings.mail_sender, self._address
                mail["Subject"] = " ".join(f"{members['Text']} ({members['Account']})".split())
                mail["Message-ID"] = f"<{row.key.encode().hex()}@ocs>"
                mail.set_content("".join(f"{name}: {members[name]}\n" for name in MEMBERS))
                server.send_message(mail)


class Outside:
    """One per server."""

    def __init__(
        self, settings: ActionSettings, state: State, outbox: StateOutbox, spawn: Spawn, folder: Path | None
    ) -> None:
        """`folder` is where notices go that could not be told; without one they are tried for ever."""
        self._settings = settings
        self._state = state
        self._outbox = outbox
        self._spawn = spawn
        self._folder = folder
        self._lanes: dict[str, tuple[Delivery, asyncio.Task[None]]] = {}

    def put(self, notices: Iterable[Notice]) -> None:
        """Lets notices wait, in the step of the change that they are about."""
        for notice in notices:
            prefix = LANES.get(notice.do)
            if prefix is None:
                continue
            try:
                self._outbox.add(f"{prefix}{notice.target}", _record(notice))
            except ValueError as error:
                log.error("actions.dropped", target=notice.target, notice=notice.id, error=str(error))
                continue
            self._lane(f"{prefix}{notice.target}").wake()

    def start(self) -> None:
        """Tell what an earlier process could not tell any more."""
        for name in self._outbox.lines():
            if name.startswith(tuple(LANES.values())):
                self._lane(name)

    async def stop(self) -> None:
        """Let what waits wait for the next start."""
        lanes, self._lanes = self._lanes, {}
        for _, task in lanes.values():
            task.cancel()
        await asyncio.gather(*(task for _, task in lanes.values()), return_exceptions=True)
        for delivery, _ in lanes.values():
            await delivery.exporter.sink.close()

    async def replay(self) -> tuple[int, int]:
        """Tell what was kept aside once more; how many files were told and how many stay."""
        if self._folder is None:
            return 0, 0
        names = {failed.read(path).exporter_id for path in failed.kept(self._folder)}
        exporters = {name: self._exporter(name) for name in names}
        try:
            return await replay(self._folder, exporters)
        finally:
            for exporter in exporters.values():
                await exporter.sink.close()

    def counts(self) -> dict[str, dict[str, int]]:
        """How many notices of each target were told and kept aside."""
        return {
            name: {"sent": delivery.exporter.sent, "failed": delivery.exporter.failed}
            for name, (delivery, _) in self._lanes.items()
        }

    def _lane(self, name: str) -> Delivery:
        found = self._lanes.get(name)
        if found is None:
            delivery = Delivery(self._exporter(name), self._outbox, settle=self._state.durable)
            found = self._lanes[name] = (delivery, self._spawn(delivery.run()))
        return found[0]

    def _exporter(self, name: str) -> Exporter:
        return Exporter(name, self._sink(name), attempts=self._settings.attempts, failed_folder=self._folder)

    def _sink(self, name: str) -> Sink:
        kind, _, target = name.partition(" ")
        if kind == "mail":
            return MailSink(target, self._settings)
        return HttpSink(target, timeout_s=self._settings.timeout_ns / SECOND_NS)


def _record(notice: Notice) -> Record:
    moment = datetime.fromtimestamp(notice.at_ns // SECOND_NS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    said = (notice.account, notice.actions, notice.text, notice.by, notice.reason, moment)
    return Record(notice.id, notice.account.partition(":")[0], dict(zip(MEMBERS, said, strict=True)))
