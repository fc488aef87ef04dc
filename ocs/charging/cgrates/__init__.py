"""The arithmetic of `rounding: cgrates`: rating, balances, sessions and actions with the incumbent's figures (pure)."""
