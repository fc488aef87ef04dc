"""Chargers: one run per matching profile, each with its own event."""

from ocs.charging.profiles.attributes import AttributeShelf
from ocs.charging.profiles.chargers import runs_of
from ocs.charging.profiles.filters import FilterBook
from ocs.charging.profiles.model import AttributeProfile, AttributeRule, ChargerProfile, Run
from ocs.charging.profiles.shelf import Shelf
from ocs.charging.profiles.view import View

EVENT: dict[str, object] = {"Account": "1001", "RequestType": "*prepaid"}


def runs(*profiles: ChargerProfile, attributes: tuple[AttributeProfile, ...] = ()) -> list[Run]:
    filters = FilterBook()
    return runs_of(
        Shelf(filters, profiles), AttributeShelf(filters, attributes), View(EVENT, {"*context": "*sessions"})
    )


def charger(name: str, run_id: str, *attribute_ids: str, weight: float = 0) -> ChargerProfile:
    return ChargerProfile(
        tenant="cgrates.org", id=name, run_id=run_id, attribute_ids=attribute_ids, weight=weight
    )


def test_every_matching_charger_gives_a_run_by_weight() -> None:
    found = runs(
        charger("RAW", "*raw", "*constant:*req.RequestType:*none", weight=10),
        charger("DEF", "*default", "*none", weight=20),
        ChargerProfile(
            tenant="cgrates.org", id="NO", filter_ids=("*string:~*req.Account:1002",), run_id="no"
        ),
    )
    assert [(run.charger_id, run.event) for run in found] == [
        ("DEF", {**EVENT, "RunID": "*default"}),
        ("RAW", {**EVENT, "RunID": "*raw", "RequestType": "*none"}),
    ]
    assert found[0].altered == ("*req.RunID",)
    assert found[1].altered == ("*req.RunID", "*req.RequestType")


def test_attributes_in_place_are_applied_one_after_the_other() -> None:
    [run] = runs(charger("A", "*default", "*constant:*req.Account:2001", "*constant:*req.Subject:RP"))
    assert (run.event["Account"], run.event["Subject"]) == ("2001", "RP")
    [run] = runs(charger("A", "*default", "*constant:*req.X:whole&*constant:*req.Y:y"))
    assert run.event["X"] == "whole*constant:*req.Y:y", "measured: & joins parts of one value"


def test_stored_attributes_are_applied_in_their_context() -> None:
    supplier = AttributeProfile(
        tenant="cgrates.org",
        id="SUPPLIER",
        contexts=("*sessions",),
        filter_ids=("*string:~*req.RunID:supplier",),
        attributes=(AttributeRule(path="*req.Subject", type="*constant", value="SUPPLIER1"),),
    )
    [run] = runs(charger("S", "supplier", "SUPPLIER"), attributes=(supplier,))
    assert run.event["Subject"] == "SUPPLIER1"
    assert run.attribute_ids == ("cgrates.org:SUPPLIER",)
    [run] = runs(charger("S", "customer", "SUPPLIER"), attributes=(supplier,))
    assert "Subject" not in run.event


def test_an_event_no_charger_matches_has_no_run() -> None:
    assert runs() == []
