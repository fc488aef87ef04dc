"""Recorded streams as a switch: events as they were sent, commands answered as they would have been."""

from tests.agents.freeswitch import recorded
from tests.agents.freeswitch.scripted import Pipe, Scripted, event_bytes, reply_bytes

EVENTS = ("CHANNEL_PARK", "CHANNEL_ANSWER", "CHANNEL_HANGUP_COMPLETE")


class Replayed(Scripted):
    """Plays the calls of one recording at the pace it was recorded; every command succeeds."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.events = [event for event in recorded.events(name) if event["Event-Name"] in EVENTS]
        self.raw = {id(event): raw for event, raw in zip(self.events, self.raw_of(name), strict=True)}
        self.said: list[str] = []  # commands about calls, in order

    @staticmethod
    def raw_of(name: str) -> list[bytes]:
        """The octets of the events that are played."""
        found = zip(recorded.events(name), recorded.raw_events(name), strict=True)
        return [raw for event, raw in found if event["Event-Name"] in EVENTS]

    @property
    def begins_us(self) -> int:
        """The moment of the first event."""
        return int(self.events[0]["Event-Date-Timestamp"])

    def play(self, after_s: float = 1.0) -> float:
        """Let the events happen; returns how long that takes."""
        for event in self.events:
            at_s = after_s + (int(event["Event-Date-Timestamp"]) - self.begins_us) / 1e6
            self.loop.call_later(at_s, self.emit, event)
        last_us = int(self.events[-1]["Event-Date-Timestamp"])
        return after_s + (last_us - self.begins_us) / 1e6

    def frame(self, fields: recorded.Fields, form: str) -> bytes:
        """The very octets of the recording, where that has the format that is asked for."""
        raw = self.raw[id(fields)]
        return raw if f"text/event-{form}".encode() in raw else super().frame(fields, form)

    def run(self, command: str) -> str:
        if command == "show channels as json":
            return '{"row_count": 0}'
        self.said.append(command)
        return "+OK"


__all__ = ["Pipe", "Replayed", "event_bytes", "reply_bytes"]
