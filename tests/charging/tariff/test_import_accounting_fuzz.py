"""Whatever stands in the accounting files, every problem is a finding at a place, and the reader never breaks."""

from hypothesis import given
from hypothesis import strategies as st

from ocs.charging.cgrates.csv_folder import COLUMNS
from ocs.charging.tariff.import_cgrates.folder import ImportOptions, read_cgrates
from tests.charging.tariff.test_import_accounting import ACCOUNTING
from tests.charging.tariff.test_import_cgrates import FILES

WORDS = st.sampled_from(
    [
        "", "*any", "*topup", "*set_balance", "*transfer_balance", "*debit_reset", "*monetary", "*voice", "*data",
        "*generic", "ACT", "AP", "TR", "WARN", "DE", "!DE", "PEAK", "!PEAK", "SG", "*zero1s", "+24h", "+1x", "*now",
        "*monthly", "*asap", "true", "maybe", "-1", "0", "1e300", "nan", "99999999999999999999", "1.5", "1h30m",
        '"{""a"":NaN}"', '"{""a"":1e400}"', '"{""a"":[1]}"', "{", "[]", "*min_balance", "*max_event_counter",
        "2026-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "08:00:00", "1;2;3", "é\u2028", "*default",
    ]
)  # fmt: skip


@given(st.sampled_from(sorted(ACCOUNTING)), st.data())
def test_any_cells_are_read_or_told(file: str, data: st.DataObject) -> None:
    count = len(COLUMNS[file])
    cells = data.draw(st.lists(WORDS, min_size=count, max_size=count))
    files = {**FILES, **ACCOUNTING, file: ACCOUNTING[file] + ",".join(cells) + "\n"}
    tariff, findings = read_cgrates(files.items(), ImportOptions())
    assert tariff is not None or findings
    assert all(finding.problem.line >= 1 and finding.problem.column >= 1 for finding in findings)
