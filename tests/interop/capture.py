"""What goes over the loopback, captured for real, and the judgement of Wireshark's dissectors on it."""

import os
import secrets
import signal
import socket
import subprocess
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ocs.diameter.message import Message
from tests.interop.programs import DYING_WITH_US
from tests.support.ports import free_ports
from tests.support.waiting import PATIENCE_S, until

WARNING = 0x600000  # of _ws.expert.severity


class Captured(NamedTuple):
    """One whole Diameter message and the ports it went between."""

    source: int
    target: int
    frame: bytes

    @property
    def message(self) -> Message:
        """It, decoded."""
        return Message.decode(self.frame)


class Complaint(NamedTuple):
    """What Wireshark has against one message."""

    command: int
    session: str
    text: str


class Capture:
    """dumpcap on the loopback; without the right to capture it asks sudo, as the Makefile does."""

    def __init__(self, file: Path, *ports: int, transport: str = "tcp") -> None:
        self.file = file
        self.ports = ports
        self._said = file.with_suffix(".log")
        (self._marker_port,) = free_ports(1)
        wanted = " or ".join(
            [*(f"{transport} port {port}" for port in ports), f"udp port {self._marker_port}"]
        )
        command = ["dumpcap", "-q", "-i", "lo", "-f", wanted, "-w", "-"]
        if os.geteuid() != 0:
            command = ["sudo", "-n", *command]
        with file.open("wb") as output, self._said.open("wb") as said:
            self._process = subprocess.Popen(
                [*DYING_WITH_US, *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=said,
                start_new_session=True,
            )
        until(self._has_started, f"capturing on lo: {self._said.read_text()}")

    def _has_started(self) -> bool:
        assert self._process.poll() is None, self._said.read_text()
        return "File: -" in self._said.read_text()

    def end(self) -> None:
        """Stop capturing; everything seen is in the file then."""
        if self._process.poll() is None:
            marker = secrets.token_bytes(32)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.sendto(marker, ("127.0.0.1", self._marker_port))
            until(lambda: marker in self.file.read_bytes(), "the capture is up to date")
            self._process.send_signal(signal.SIGINT)
            self._process.wait(PATIENCE_S)

    def count(self, octets: bytes) -> int:
        """How often some octets went over the wire so far."""
        return self.file.read_bytes().count(octets)

    def read(self, display_filter: str, *fields: str) -> list[list[str]]:
        """The fields of every packet a filter fits; several values of one are joined by a unit separator."""
        command = ["tshark", "-2", "-n", "-r", str(self.file), "-Y", display_filter, "-T", "fields"]
        command += ["-E", "separator=/t", "-E", "aggregator=\x1f"]
        for port in self.ports:
            command += ["-d", f"tcp.port=={port},diameter"]
        for field in fields:
            command += ["-e", field]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
        return [(line + "\t" * len(fields)).split("\t")[: len(fields)] for line in done.stdout.splitlines()]

    def complaints(self, *servers: int) -> list[Complaint]:
        """What is malformed or deserves a warning in anything these ports have sent."""
        source = " || ".join(f"tcp.srcport=={port}" for port in servers)
        bad = f"diameter && (_ws.malformed || _ws.expert.severity >= {WARNING}) && ({source})"
        fields = "diameter.cmd.code", "diameter.Session-Id", "_ws.expert.message"
        return [
            Complaint(int(command), session, text)
            for command, session, said in self.read(bad, *fields)
            for text in (said or "malformed").split("\x1f")
        ]

    def unanswered(self, *servers: int) -> list[str]:
        """Requests to these ports that have no answer."""
        target = " || ".join(f"tcp.dstport=={port}" for port in servers)
        open_ = f"diameter.flags.request==1 && !diameter.answer_in && ({target})"
        rows = self.read(open_, "frame.number", "diameter.cmd.code", "diameter.hopbyhopid")
        return [f"packet {number}, command {command}, {id_}" for number, command, id_ in rows]

    def messages(self) -> list[Captured]:
        """Every whole message in the order of its last octet."""
        rows = self.read(
            "tcp.len > 0 && !tcp.analysis.retransmission",
            "tcp.stream",
            "tcp.srcport",
            "tcp.dstport",
            "tcp.payload",
        )
        open_: defaultdict[tuple[str, str], bytes] = defaultdict(bytes)
        found: list[Captured] = []
        for stream, source, target, payload in rows:
            octets = open_[stream, source] + bytes.fromhex(payload)
            while len(octets) >= 4 and len(octets) >= (length := int.from_bytes(octets[1:4], "big")):
                found.append(Captured(int(source), int(target), octets[:length]))
                octets = octets[length:]
            open_[stream, source] = octets
        return found


def sent_by(messages: Iterable[Captured], *ports: int) -> list[bytes]:
    """The messages that come from these ports."""
    return [each.frame for each in messages if each.source in ports]
