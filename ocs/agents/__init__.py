"""Agents: one package per protocol; each maps its wire to charging events and back."""
