"""Tests of the RADIUS agent."""
