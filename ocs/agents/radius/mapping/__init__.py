"""RADIUS to charging events and back: authorization, accounting, what a session of an access server is. Pure."""
