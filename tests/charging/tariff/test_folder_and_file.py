"""A file says whatever a folder says: random folders cost the same imported, written as YAML, and by hand."""

from datetime import UTC, datetime

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.tariff.import_cgrates.folder import ImportOptions, read_cgrates
from ocs.charging.tariff.model import Tariff
from ocs.charging.tariff.yaml_reader import read_yaml
from tests.charging.tariff.folder_oracle import Folder
from tests.charging.tariff.tariff_yaml import tariff_yaml
from tests.charging.tariff.test_import_golden import compare

SECOND_NS = 10**9
BEGIN_NS = int(datetime(2026, 2, 26, tzinfo=UTC).timestamp()) * SECOND_NS  # days before a month ends
PREFIXES = ("1", "12", "2", "21")
NUMBERS = ("1234", "19", "2134", "29", "4")
DESTINATIONS, TIMINGS, RATES, PRICED, PLANS, SUBJECTS = 4, 3, 4, 3, 3, 3
KINDS = {"call": "*voice", "data": "*data", "sms": "*sms"}
ANY = "*any"


def names(letter: str, count: int) -> st.SearchStrategy[str]:
    return st.sampled_from([f"{letter}{number}" for number in range(count)])


def some(*values: str) -> st.SearchStrategy[str]:
    """`*any`, or some of the values."""
    return st.one_of(st.just(ANY), st.lists(st.sampled_from(values), min_size=1, unique=True).map(";".join))


AMOUNTS = st.sampled_from(("0", "0.1", "0.033", "1", "0.000123", "2.5", "0.00000000037"))
FEES = st.sampled_from(("0", "0.05", "1", "0.000000001"))  # more digits of a fee are not carried over
CLOCKS = st.sampled_from(("00:00:00", "08:00:00", "18:30:00", "23:59:59"))


@st.composite
def slots(draw: st.DrawFn) -> list[str]:
    """Rows of one rate: later slots begin where an increment of the one before ends."""
    rows, start = [], 0
    for number in range(draw(st.integers(1, 3))):
        fee = draw(FEES) if not number else "0"
        increment = draw(st.sampled_from((1, 5, 30, 60)))
        per = draw(st.sampled_from((1, 60, 7)))
        rows.append(f"{fee},{draw(AMOUNTS)},{per}s,{increment}s,{start}s")
        start += increment * draw(st.integers(1, 3))
    return rows


@st.composite
def folders(draw: st.DrawFn) -> dict[str, str]:
    """Every file that says what something costs."""
    rows: dict[str, list[str]] = {"Destinations.csv": [], "Timings.csv": [], "Rates.csv": []}
    for number in range(DESTINATIONS):
        found = draw(st.lists(st.sampled_from(PREFIXES), min_size=1, max_size=3, unique=True))
        rows["Destinations.csv"] += [f"D{number},{prefix}" for prefix in found]
    for number in range(TIMINGS):
        days = draw(st.one_of(st.just((ANY, ANY)), st.tuples(some("26", "27", "28", "1"), st.just(ANY))))
        if days == (ANY, ANY):
            days = (ANY, draw(some("1", "2", "3", "4", "5", "6", "7")))
        when = f"{draw(some('2026', '2027'))},{draw(some('2', '3'))},{','.join(days)},{draw(CLOCKS)}"
        rows["Timings.csv"].append(f"T{number},{when}")
    for number in range(RATES):
        rows["Rates.csv"] += [f"R{number},{row}" for row in draw(slots())]
    caps = st.sampled_from((",", "0,", "1.5,*free", "3,*free"))
    rounding = st.sampled_from(("*up,4", "*down,2", "*middle,3", "*up,0", ",0"))
    priced = st.builds(
        lambda tag, place, rate, method, cap: f"{tag},{place},{rate},{method},{cap}",
        names("DR", PRICED),
        st.one_of(names("D", DESTINATIONS), names("D", DESTINATIONS), st.just(ANY)),
        names("R", RATES),
        rounding,
        caps,
    )
    rows["DestinationRates.csv"] = [f"DR{number},D0,R0,*up,4,0," for number in range(PRICED)]
    rows["DestinationRates.csv"] += draw(
        st.lists(priced, min_size=4, max_size=10, unique_by=lambda row: row[:6])
    )
    timings = st.one_of(names("T", TIMINGS), st.just(ANY))
    planned = st.builds(
        lambda tag, priced, timing, weight: f"{tag},{priced},{timing},{weight}",
        names("RP", PLANS),
        names("DR", PRICED),
        timings,
        st.sampled_from(("0", "10", "20", "10.5")),
    )
    rows["RatingPlans.csv"] = [f"RP{number},DR{number},T{number},10" for number in range(PLANS)]
    rows["RatingPlans.csv"] += draw(st.lists(planned, min_size=3, max_size=8, unique=True))
    rows["RatingProfiles.csv"] = []
    for category in KINDS:
        for number in range(SUBJECTS):
            fallback = draw(st.sampled_from(("", f"s{number + 1}", f"s{number + 1};s{number + 2}")))
            for day in draw(st.lists(st.sampled_from(("01", "27", "28")), min_size=1, unique=True)):
                plan = draw(names("RP", PLANS))
                subject = ANY if number == SUBJECTS - 1 else f"s{number}"
                at = f"2026-02-{day}T00:00:00Z"
                rows["RatingProfiles.csv"].append(f"t,{category},{subject},{at},{plan},{fallback}")
    return {name: "".join(f"{line}\n" for line in lines) for name, lines in rows.items()}


CALLS = st.lists(
    st.tuples(
        st.sampled_from(sorted(KINDS)),
        st.sampled_from([*(f"s{number}" for number in range(SUBJECTS - 1)), ANY]),
        st.sampled_from(NUMBERS),
        st.integers(0, 4 * 86_400),
        st.one_of(st.integers(1, 200), st.integers(1, 2 * 86_400)),
    ),
    min_size=5,
    max_size=15,
)


HEAVIER = {  # of two destinations with one prefix, and of two timings that hold at once
    "Destinations.csv": "D0,1\nD1,1\nD2,2\n",
    "Timings.csv": "T0,*any,*any,*any,*any,08:00:00\n",
    "Rates.csv": "R0,0,1,1s,1s,0s\nR1,0.5,2,1s,1s,0s\nR1,0,3,1s,1s,5s\n",
    "DestinationRates.csv": "A,D0,R0,*up,4,0,\nB,D1,R1,*up,4,0,\nC,D2,R0,*up,4,0,\nD,D2,R1,*up,4,0,\n",
    "RatingPlans.csv": "P,A,*any,10\nP,B,*any,20\nP,C,*any,20\nP,D,T0,10\n",
    "RatingProfiles.csv": "t,call,*any,2026-01-01T00:00:00Z,P,\n",
}


@settings(max_examples=60, deadline=None)
@example(files=HEAVIER, calls=[("call", ANY, number, 9 * 3600, 20) for number in ("19", "29")])
@given(files=folders(), calls=CALLS)
def test_a_folder_a_file_and_a_count_by_hand_agree(
    files: dict[str, str], calls: list[tuple[str, str, str, int, int]]
) -> None:
    imported, findings = read_cgrates(files.items(), ImportOptions())
    assert imported is not None, findings
    written, problems = read_yaml(tariff_yaml(imported), "t.yaml")
    assert isinstance(written, Tariff), problems
    folder = Folder(files)
    for tariff in (imported, written):
        catalogue = Catalogue(tariff)
        for category, subject, number, start_s, units in calls:
            start_ns = BEGIN_NS + start_s * SECOND_NS
            size = units * SECOND_NS if category == "call" else units
            compare(folder, catalogue, KINDS[category], ("t", category, subject), number, start_ns, size)
