"""What happens to accounts by itself: sets of actions, plans that run them, triggers that watch balances. Pure.

Map: `model` are the words of a tariff; `reader` takes them from YAML, `import_cgrates.accounting` from CSV. `work`
carries a set out on accounts, `plans` knows what is due, `triggers` what a change has set off. What an account has
of it (`PlanState`, `Watched`) is part of its record: a run and the note that it was made are one change.
"""
