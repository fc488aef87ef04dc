"""What the incumbent's administrative methods take and answer: values, accounts, tariffs, profiles. Pure."""
