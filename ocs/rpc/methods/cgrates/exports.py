"""`APIerSv1.ExportCDRs`: stored records go out through exporters."""

from typing import Any

from ocs.cgrates.cdr_book import portions
from ocs.cgrates.cdr_filter import read_filter
from ocs.cgrates.objects.errors import not_connected, not_found, server_error
from ocs.cgrates.objects.given import Given
from ocs.cgrates.runtime import Runtime
from ocs.exporting.records import Record
from ocs.exporting.sinks import SinkFailed
from ocs.rpc.methods.cgrates.table import Table
from ocs.rpc.registry import Role

TABLE = Table()


@TABLE.method("APIerSv1.ExportCDRs", role=Role.ADMINISTER, also_v2=True)
async def export_cdrs(runtime: Runtime, given: Given) -> dict[str, Any]:
    """Exports the stored records that a filter finds; what each exporter has done so far, where asked."""
    exports = runtime.exchange.exports
    if not exports.counts():
        raise not_connected("EEs")
    names: dict[str, None] = {}
    async for found in portions(runtime.state.cdrs, read_filter(given, runtime.wall_ns())):
        for cdr in found:
            record = Record(f"{cdr.cgrid}:{cdr.run_id}", cdr.tenant, runtime.cdrs.form(cdr))
            try:
                names |= dict.fromkeys(await exports.export(record, given.texts("ExporterIDs")))
            except SinkFailed as error:
                raise server_error(error) from None
    if not names:
        raise not_found()
    counts = exports.counts()
    return {name: counts[name] if given.flag("Verbose") else {} for name in names}
