"""Claims about tariff files on disk, the demo's among them."""

from pathlib import Path

import pytest

import ocs.demo
from ocs.charging.events import Unit
from ocs.charging.rating import price
from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.tariff.files import open_source, read
from ocs.charging.tariff.import_cgrates.folder import ImportOptions
from ocs.charging.tariff.model import Priced, Query, Verdict
from tests.charging.tariff.rules import HOUR_NS, MONDAY_NOON_NS

DEMO = Path(ocs.demo.__file__).parent / "tariffs.yaml"
MINUTE_NS = 60 * 10**9


def asked(query: Query, at_ns: int = MONDAY_NOON_NS, plan: str = "standard") -> Priced | None:
    tariff, problems = read(DEMO)
    assert problems == []
    assert tariff is not None
    line = Catalogue(tariff).line(plan, query)
    return None if line is None else line.at(at_ns)


@pytest.mark.parametrize(
    ("query", "units", "nanos"),
    [
        (Query("data", Unit.OCTETS), 100_000_000, 1_000_000_000),
        (Query("data", Unit.OCTETS, 1, plmn="00101"), 1, 10_000),
        (Query("data", Unit.OCTETS, 10, apn="internet"), 1_000_000, 10_000_000),
        (Query("data", Unit.OCTETS, 30), 1_000_000, 4_000_000),
        (Query("data", Unit.OCTETS, 1, plmn="26201"), 1_000_000, 20_000_000),
        (Query("data", Unit.OCTETS, 1, plmn="310410"), 1_000_000, 500_000_000),
        (Query("data", Unit.OCTETS, 1, apn="corporate"), 1_000_000, 5_000_000),
        (Query("voice", Unit.TIME, called="15550100001"), MINUTE_NS, 30_000_000),
        (Query("voice", Unit.TIME, called="4930123"), MINUTE_NS, 80_000_000),
        (Query("voice", Unit.TIME, called="4915123"), 2 * MINUTE_NS, 470_000_000),
        (Query("voice", Unit.TIME, called="8610"), 1, 1_000_000_000),
        (Query("sms", Unit.EVENTS, called="15550100001"), 1, 50_000_000),
        (Query("sms", Unit.EVENTS, called="447"), 2, 180_000_000),
        (Query("mms", Unit.EVENTS, called="8610"), 1, 500_000_000),
    ],
)
def test_the_demo_charges_readable_prices(query: Query, units: int, nanos: int) -> None:
    priced = asked(query)
    assert priced is not None
    assert priced.rate is not None
    assert price(priced.rate, units) == nanos


@pytest.mark.parametrize("rating_group", [None, 1, 10, 100])
def test_the_demo_charges_data_the_same_at_all_hours(rating_group: int | None) -> None:
    priced = asked(Query("data", Unit.OCTETS, rating_group))
    assert priced is not None
    assert (priced.rate_id, priced.until_ns) == ("data", None)


def test_the_demo_is_cheaper_off_peak() -> None:
    evening = asked(Query("voice", Unit.TIME, called="4915123"), MONDAY_NOON_NS + 8 * HOUR_NS)
    assert evening is not None
    assert evening.rate is not None
    assert price(evening.rate, 2 * MINUTE_NS) == 260_000_000


@pytest.mark.parametrize(
    ("query", "verdict"),
    [
        (Query("data", Unit.OCTETS, 900, plmn="26201"), Verdict.FREE),
        (Query("data", Unit.OCTETS, 901), Verdict.DENIED),
        (Query("voice", Unit.TIME, called="18005550"), Verdict.FREE),
        (Query("voice", Unit.TIME, called="112", plmn="26201"), Verdict.FREE),
        (Query("voice", Unit.TIME, called="19005550"), Verdict.DENIED),
        (Query("sms", Unit.EVENTS, called="19005550"), Verdict.DENIED),
    ],
)
def test_the_demo_has_free_and_barred_usage(query: Query, verdict: Verdict) -> None:
    priced = asked(query)
    assert priced is not None
    assert priced.verdict is verdict


def test_the_demo_does_not_know_generic_services() -> None:
    assert asked(Query("generic", Unit.EVENTS)) is None


def test_the_saver_plan_falls_back_to_the_standard_one() -> None:
    saver = asked(Query("data", Unit.OCTETS), plan="data_saver")
    call = asked(Query("voice", Unit.TIME, called="8610"), plan="data_saver")
    assert saver is not None
    assert call is not None
    assert (saver.plan, call.plan) == ("data_saver", "standard")


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    missing, binary = tmp_path / "missing.yaml", tmp_path / "binary.yaml"
    binary.write_bytes(b"a: \xff")
    reasons = {missing: "cannot be read: No such file or directory", binary: "is not UTF-8 at byte 3"}
    for path, told in reasons.items():
        tariff, problems = read(path)
        assert tariff is None
        assert [str(problem) for problem in problems] == [f"{path}:1:1: {told}"]


def test_a_file_of_a_folder_that_is_no_text_is_named_with_the_place_in_it(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "Destinations.csv").write_bytes(b"D,49\nD,3\xff3\n")
    source, [problem] = open_source(tmp_path, ImportOptions())
    assert source is None
    assert str(problem) == "sub/Destinations.csv:2:4: is not UTF-8: invalid start byte"
    (tmp_path / "sub" / "Destinations.csv").unlink()
    (tmp_path / "Rates.csv").mkdir()
    source, [problem] = open_source(tmp_path, ImportOptions())
    assert str(problem) == "Rates.csv:1:1: cannot be read: Is a directory"
