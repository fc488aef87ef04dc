"""Profiles from CSV folders: rows join, every bad cell is told with its place."""

from ocs.charging.cgrates.csv_folder import read_texts
from ocs.charging.profiles.activation import Activation
from ocs.charging.profiles.book import ProfileBook
from ocs.charging.profiles.csv_reader import Profiles, read_profiles
from ocs.charging.profiles.filters import Filter, FilterRule
from ocs.charging.profiles.model import AttributeRule, ChargerProfile, Metric, Route
from ocs.charging.profiles.view import View

FOLDER = {
    "Filters.csv": (
        "acme.org,FLT_A,*string,~*req.Account,1001;1002,\nacme.org,FLT_A,*prefix,~*req.Destination,+49,\n"
    ),
    "Attributes.csv": (
        "#Tenant,ID,Contexts,FilterIDs,ActivationInterval,AttributeFilterIDs,Path,Type,Value,Blocker,Weight\n"
        "acme.org,ATTR,*sessions;*cdrs,*string:~*req.Account:1001,,,,,,false,10\n"
        "acme.org,ATTR,,,,,*req.Password,*constant,Secret1,,\n"
        "acme.org,ATTR,,,,FLT_A,*req.Name,*variable,~*req.Account,,\n"
    ),
    "Chargers.csv": (
        "acme.org,CH_DEF,,,*default,*none,0\nacme.org,CH_RAW,,,*raw,*constant:*req.RequestType:*none,0\n"
    ),
    "Resources.csv": "acme.org,RS,FLT_A,2026-01-01T00:00:00Z;2027-01-01T00:00:00Z,-1,2,chan,false,true,10,*none\n",
    "Stats.csv": "acme.org,ST_A,,,100,1h,2,*asr;*acd;*tcc,,true,false,10,*none\n",
    "Thresholds.csv": "acme.org,TH_A,FLT_A,,-1,5,1m,false,10,ACT_WARN,true,\n",
    "Routes.csv": (
        "acme.org,RO_A,FLT_A,,*lc,,carrier1,,,RP_C1,,,10,false,gw=1,20\n"
        "acme.org,RO_A,,,,,carrier1,,,RP_C2,,,,,,\n"
        "acme.org,RO_A,,,,,carrier2,,,RP_C3,,,5,true,,\n"
    ),
}


def read(folder: dict[str, str]) -> tuple[Profiles, list[str]]:
    rows, problems = read_texts(folder.items())
    assert not problems
    found, wrong = read_profiles(rows)
    return found, [str(problem) for problem in wrong]


def test_a_folder_is_read_whole() -> None:
    found, wrong = read(FOLDER)
    assert wrong == []
    rules = (
        FilterRule("*string", "~*req.Account", ("1001", "1002")),
        FilterRule("*prefix", "~*req.Destination", ("+49",)),
    )
    assert found.filters == (Filter("acme.org", "FLT_A", rules),)
    [attribute] = found.attributes
    assert (attribute.contexts, attribute.weight) == (("*sessions", "*cdrs"), 10)
    assert attribute.attributes == (
        AttributeRule(path="*req.Password", type="*constant", value="Secret1"),
        AttributeRule(path="*req.Name", type="*variable", value="~*req.Account", filter_ids=("FLT_A",)),
    )
    assert found.chargers[0] == ChargerProfile(tenant="acme.org", id="CH_DEF", attribute_ids=("*none",))
    assert found.chargers[1].attribute_ids == ("*constant:*req.RequestType:*none",)
    [resource] = found.resources
    assert resource.activation == Activation(1_767_225_600 * 10**9, 1_798_761_600 * 10**9)
    assert (resource.usage_ttl_ns, resource.limit, resource.is_stored) == (-1, 2, True)
    assert found.stats[0].metrics == (Metric(id="*asr"), Metric(id="*acd"), Metric(id="*tcc"))
    assert (found.thresholds[0].max_hits, found.thresholds[0].min_sleep_ns) == (-1, 60 * 10**9)
    assert found.routes[0].routes == (
        Route(id="carrier1", rating_plan_ids=("RP_C1", "RP_C2"), weight=10, parameters="gw=1"),
        Route(id="carrier2", rating_plan_ids=("RP_C3",), weight=5, is_blocker=True),
    )


def test_what_was_read_works_together() -> None:
    book = ProfileBook()
    found, _ = read(FOLDER)
    assert book.load(found) == []
    view = View({"Account": "1001", "Destination": "+49"}, tenant="acme.org")
    rewritten = book.attributes.process(view, context="*sessions")
    assert rewritten is not None
    assert rewritten.digest() == "Password:Secret1,Name:1001"
    assert [each.id for each in book.chargers.matching(view)] == ["CH_DEF", "CH_RAW"]


def test_bad_cells_are_told_with_their_place() -> None:
    _, wrong = read(
        {
            "x/Filters.csv": "t,F,*strange,~*req.A,1,\n",
            "x/Resources.csv": "t,R,,soon,1x,many,,maybe,,,\n",
            "x/Chargers.csv": ",C,,,,,\n",
        }
    )
    assert wrong == [
        "x/Filters.csv:1:3: Type: *strange is not a filter type",
        "x/Chargers.csv:1:1: Tenant: is missing",
        "x/Resources.csv:1:4: ActivationInterval: not a point in time: 'soon'",
        "x/Resources.csv:1:5: UsageTTL: not a duration: '1x'",
        "x/Resources.csv:1:6: Limit: not a number: 'many'",
        "x/Resources.csv:1:8: Blocker: not true or false: 'maybe'",
    ]


def test_a_profile_that_cannot_be_used_leaves_the_others() -> None:
    book = ProfileBook()
    found, _ = read({"Chargers.csv": "t,BAD,NO_SUCH,,*default,*none,0\nt,GOOD,,,*default,*none,0\n"})
    assert book.load(found) == ["profile BAD: broken reference to filter: NO_SUCH"]
    assert book.chargers.ids("t") == ["GOOD"]
