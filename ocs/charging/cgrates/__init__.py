"""The arithmetic of `rounding: cgrates`: the incumbent's figures for rating, balances, sessions and actions.

Map: `csv_folder` and `compile` read a tariff folder into a `plan.Tariff`; `matching`, `spans` and `cost` rate a
`call.Call`; `debit` pays it from the balances of an `account.Account` (opened as `purse`, told as `paid`); `usage`
asks the three questions of an account; `event_cost`, `session` and `cdr` are sessions and their records; `editor`
and `actions` change balances. All of it is pure: state in, new state out. Numbers: see `grid`.

What its users would call defects is reproduced where the answer depends on the request alone: fees that count once
per merged span, `*free` caps that count a running total twice, prices that stay those of the first activation,
reports and refunds distorted by shared increments, free use where a price rounds to zero or has too many
increments, moved periods after failed debits. Three things are different on purpose:

- A price missing in the middle of a call, or a plan without any interval, is refused as UNAUTHORIZED_DESTINATION.
- A debt does not grow by lost residues of doubles, unless `plan.Settings.drifts_below_zero` asks for it.
- Balances of shared groups whose order is left to chance come in the order in which the members joined.
"""
