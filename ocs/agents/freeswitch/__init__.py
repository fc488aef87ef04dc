"""The FreeSWITCH agent: authorises, limits and charges calls over the inbound Event Socket."""
