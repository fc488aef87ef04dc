"""The switch agents of `ocs cgrates`: its sections of the configuration, and the pipeline as their charging core.

Map: `sections` reads the configuration; `events` makes CGRateS' events of what the agents say; `door` takes them to
the pipeline, with the `promises` of ringing calls and the `results` of profiles; `peers` lets the pipeline ask the
agents about sessions; `voice` puts it together.

Other network elements come through request `processors` of field `templates` (`template_values`), which
`calling` runs: `radius` (`radius_section`), `http` (`http_section`, `http_payloads`) and `diameter`, whose
`diameter_section` is the configuration, `diameter_avps` messages by path, `diameter_node` the peers, and
`repeats` what was answered before.
"""
