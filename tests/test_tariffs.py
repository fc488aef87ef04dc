"""A running server starts with the active version and changes to another as a whole or not at all."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from ocs.charging.events import Unit
from ocs.charging.quota import ChargingPolicy
from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.tariff.model import Query
from ocs.charging.what_if import what_if
from ocs.config.settings import ChargingSettings, IdentitySettings, Settings
from ocs.tariff_reading import TariffError
from ocs.tariff_versions import CONFIGURED, VersionError
from ocs.tariffs import Switch, Tariffs
from tests.support.tariff_texts import keep, yaml_source, yaml_text

SECOND_NS = 10**9
NOW_NS = 1_780_000_000 * SECOND_NS


class Charging:
    """Charges by whatever it was given last."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.policy = ChargingPolicy()
        self.catalogue = catalogue

    def swap(self, catalogue: Catalogue, policy: ChargingPolicy) -> Catalogue | None:
        gone = catalogue.succeed(self.catalogue, NOW_NS)
        self.catalogue, self.policy = catalogue, policy
        return gone


def minute_nanos(catalogue: Catalogue) -> int:
    return what_if(catalogue, "standard", Query("voice", Unit.TIME), 60 * SECOND_NS, NOW_NS).cost_nanos


@pytest.fixture
def tariffs(tmp_path: Path) -> Tariffs:
    """Three versions at 0.20, 0.30 and in dollars, beside a configured tariff at 0.10."""
    path = tmp_path / "configured.yaml"
    path.write_text(yaml_text("0.10"), encoding="utf-8")
    identity = IdentitySettings("ocs.example", "example")
    settings = Settings(identity, charging=ChargingSettings(tariffs=str(path)))
    made = Tariffs(settings, tmp_path / "data", lambda: NOW_NS)
    for source in (yaml_source("0.20"), yaml_source("0.30"), yaml_source("0.40", "USD")):
        keep(made.versions, source)
    return made


def test_without_an_active_version_the_configured_tariff_is_used(tariffs: Tariffs) -> None:
    assert (minute_nanos(tariffs.start()), tariffs.active) == (100_000_000, CONFIGURED)


def test_the_active_version_is_what_the_server_starts_with(tariffs: Tariffs) -> None:
    tariffs.versions.activate(2, "me", NOW_NS - 10**18)
    catalogue = tariffs.start()
    assert (minute_nanos(catalogue), tariffs.active, catalogue.former) == (300_000_000, 2, None)


def test_sessions_from_before_a_restart_still_find_the_tariff_before(tariffs: Tariffs) -> None:
    tariffs.versions.activate(1, "me", NOW_NS - 7200 * SECOND_NS)
    tariffs.versions.activate(2, "me", NOW_NS - 3600 * SECOND_NS)
    former = tariffs.start().former
    assert former is not None
    assert (minute_nanos(former.catalogue), former.until_ns) == (200_000_000, NOW_NS - 3600 * SECOND_NS)


def test_a_former_tariff_that_is_broken_does_not_keep_the_server_from_starting(tariffs: Tariffs) -> None:
    tariffs.versions.activate(3, "me", NOW_NS - 7200 * SECOND_NS)
    tariffs.versions.activate(2, "me", NOW_NS - 3600 * SECOND_NS)
    assert tariffs.start().former is None


def test_another_currency_is_refused(tariffs: Tariffs) -> None:
    tariffs.versions.activate(3, "me", NOW_NS)
    with pytest.raises(TariffError, match=r"prices are in USD, but charging\.currency is EUR"):
        tariffs.start()


def test_a_broken_configured_tariff_is_told_with_its_whole_path(tariffs: Tariffs, tmp_path: Path) -> None:
    path = tmp_path / "configured.yaml"
    path.write_text("currency: EUR\nplans: {}\n", encoding="utf-8")
    with pytest.raises(TariffError, match=f"^{path}:2:8: plans: there is no plan"):
        tariffs.start()
    path.unlink()
    with pytest.raises(TariffError, match=f"^{path}:1:1: cannot be read"):
        tariffs.start()


def test_a_switch_is_written_down_and_then_made(tariffs: Tariffs) -> None:
    charging = Charging(tariffs.start())
    switch = asyncio.run(tariffs.activate(charging, 1, "me"))
    assert (switch.state, switch.number, tariffs.active, tariffs.versions.current()) == ("active", 1, 1, 1)
    assert minute_nanos(charging.catalogue) == 200_000_000
    asyncio.run(tariffs.activate(charging, 2, "me"))
    asyncio.run(tariffs.rollback(charging, "me"))
    assert (minute_nanos(charging.catalogue), tariffs.versions.current()) == (200_000_000, 1)
    asyncio.run(tariffs.rollback(charging, "me"))
    assert (minute_nanos(charging.catalogue), tariffs.active) == (100_000_000, CONFIGURED)
    with pytest.raises(VersionError, match="nothing to roll back"):
        asyncio.run(tariffs.rollback(charging, "me"))


@pytest.mark.parametrize("number", [3, 9])
def test_a_failed_switch_changes_nothing(tariffs: Tariffs, number: int) -> None:
    charging = Charging(tariffs.start())
    before = charging.catalogue
    switch = asyncio.run(tariffs.activate(charging, number, "me"))
    assert (switch.state, bool(switch.error)) == ("failed", True)
    assert (charging.catalogue, tariffs.active, tariffs.versions.current()) == (before, 0, 0)


def test_a_disk_that_fails_changes_nothing(tariffs: Tariffs, monkeypatch: pytest.MonkeyPatch) -> None:
    charging = Charging(tariffs.start())
    before = charging.catalogue

    def fail(number: int, by: str, at_ns: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(tariffs.versions, "activate", fail)
    switch = asyncio.run(tariffs.activate(charging, 1, "me"))
    assert (switch.state, switch.error, charging.catalogue, tariffs.active) == (
        "failed",
        "disk full",
        before,
        0,
    )


def test_one_switch_at_a_time(tariffs: Tariffs) -> None:
    charging = Charging(tariffs.start())
    tariffs.switch = Switch(2, "compiling")
    with pytest.raises(TariffError, match="version 2 is being compiled"):
        asyncio.run(tariffs.activate(charging, 1, "me"))
    assert tariffs.versions.current() == CONFIGURED


def test_versions_are_looked_up_for_explanations(tariffs: Tariffs) -> None:
    current = tariffs.start()
    assert asyncio.run(tariffs.look_up(CONFIGURED, current)) is current
    found = asyncio.run(tariffs.look_up(2, current))
    assert found is not None
    assert minute_nanos(found) == 300_000_000
    assert asyncio.run(tariffs.look_up(2, current)) is found
    assert asyncio.run(tariffs.look_up(3, current)) is None
    assert (
        msgspec.json.encode(Switch(1, "active"))
        == b'{"number":1,"state":"active","error":"","activation":null,"warnings":[]}'
    )
