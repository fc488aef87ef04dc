"""Data to try `ocs` with: a tariff, and accounts that use it."""
