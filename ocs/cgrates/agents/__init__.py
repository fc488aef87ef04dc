"""The switch agents of `ocs cgrates`: its sections of the configuration, and the pipeline as their charging core.

Map: `sections` reads the configuration; `events` makes CGRateS' events of what the agents say; `door` takes them to
the pipeline, with the `promises` of ringing calls and the `results` of profiles; `peers` lets the pipeline ask the
agents about sessions; `voice` puts it together. `radius` takes requests of access servers through processors
(`radius_section`) of field `templates`.
"""
