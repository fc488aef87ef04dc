"""Actions, plans and triggers of the exact core."""
