"""The runtime of `ocs cgrates`: a server that is configured, called and answers like CGRateS.

Map: `config` reads the incumbent's configuration folder; `state` holds everything the server knows in memory, by
`kinds` of records, and `journal` keeps it on disk; `tariff` loads tariff folders into it; `runtime` ties them
together with a clock; `accounting` lends the arithmetic of `ocs.charging.cgrates` to the sessions; `forms` writes
accounts and costs as the incumbent's JSON; `program` builds, runs and stops it all.

A step changes the state by `state.put` and `state.delete` without an await in between, then awaits
`state.durable()` and answers: all it changed becomes durable in one transaction.
"""
