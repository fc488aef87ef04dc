"""Tests of the `ocs` command."""
