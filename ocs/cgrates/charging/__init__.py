"""The event pipeline as the charging core of network elements: Diameter and RADIUS in CGRateS' figures."""
