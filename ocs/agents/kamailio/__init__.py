"""The Kamailio agent: an evapi client that authorises calls, debits them while they run and cuts them at zero."""
