"""What the agents of switches and proxies have in common: who is who, what an answer means, how to come back."""
