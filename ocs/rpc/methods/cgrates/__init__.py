"""The incumbent's JSON-RPC methods that administer: accounts, tariff plans, profiles, the server."""
