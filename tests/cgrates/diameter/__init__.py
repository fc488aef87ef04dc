"""The section `diameter_agent` of the incumbent's configuration, over sockets."""
