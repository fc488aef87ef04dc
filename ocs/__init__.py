"""ocs: a real-time online charging server (Diameter Gy/Ro and friends)."""

__version__ = "0.1.0"
