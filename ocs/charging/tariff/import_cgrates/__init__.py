"""A CGRateS tariff folder as a `Tariff` of this program, exact to the nano. Pure.

`folder.read_cgrates` is the way in. `ocs.charging.cgrates.csv_folder` reads the rows; `rates`, `plans` and
`profiles` turn them into rates, rules and plans; `unused` looks for rows that nothing leads to. What the rows say
and a `Tariff` cannot is found as "not carried over", never dropped in silence. docs/tariffs.md has the rules.
"""
