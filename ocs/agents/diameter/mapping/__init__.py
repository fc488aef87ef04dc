"""The Gy mapping: Credit-Control messages to charging events and back. Pure."""
