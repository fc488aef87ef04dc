"""RADIUS: authentication and accounting of network access servers; wire and mapping are pure, the rest waits."""
