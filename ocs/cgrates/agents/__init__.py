"""The switch agents of `ocs cgrates`: its sections of the configuration, and the pipeline as their charging core.

Map: `sections` reads the configuration; `events` makes CGRateS' events of what the agents say; `door` takes their
events to the pipeline, `promises` are those of ringing calls, `results` what profiles do around; `peers` lets the pipeline ask them about sessions; `voice` puts it together.
"""
