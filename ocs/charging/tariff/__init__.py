"""Tariffs: what a usage costs when. Pure; `Catalogue` is compiled from a `Tariff` and never changes."""
