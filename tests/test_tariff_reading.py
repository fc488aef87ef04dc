"""A large tariff is read by another process, and is the same tariff, or the same error."""

import sys
from pathlib import Path

import pytest

from ocs import tariff_reading
from ocs.charging.events import Unit
from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.tariff.model import Query
from ocs.charging.what_if import what_if
from ocs.config.settings import ChargingSettings
from ocs.tariff_reading import TariffError, Wanted, compiled, wanted
from ocs.tariff_versions import CONFIGURED, VersionError, Versions
from tests.support.tariff_texts import keep, yaml_source, yaml_text

SECOND_NS = 10**9
NOW_NS = 1_780_000_000 * SECOND_NS


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wanted:
    """A configured tariff at 0.10 beside version 1 at 0.20; any is large enough for a process of its own."""
    monkeypatch.setattr(tariff_reading, "LARGE_OCTETS", 0)
    path = tmp_path / "tariffs.yaml"
    path.write_text(yaml_text("0.10"), encoding="utf-8")
    keep(Versions(tmp_path / "data"), yaml_source("0.20"))
    return wanted(ChargingSettings(tariffs=str(path)), tmp_path / "data", CONFIGURED)


def version(asked: Wanted, number: int) -> Wanted:
    return Wanted(asked.data_dir, number, asked.path, asked.currency, asked.time_zone)


def minute_nanos(catalogue: Catalogue) -> int:
    return what_if(catalogue, "standard", Query("voice", Unit.TIME), 60 * SECOND_NS, NOW_NS).cost_nanos


def test_a_file_and_a_version_are_read_aside(asked: Wanted) -> None:
    assert minute_nanos(compiled(asked)) == 100_000_000
    assert minute_nanos(compiled(version(asked, 1))) == 200_000_000


def test_what_was_read_aside_is_what_would_be_read_here(asked: Wanted) -> None:
    here = tariff_reading.read(asked)
    assert compiled(asked).tariff.plans == here.plans
    assert (compiled(asked).tariff.rates, compiled(asked).tariff.accounting) == (here.rates, here.accounting)


def test_problems_come_back_with_their_places(asked: Wanted) -> None:
    Path(asked.path).write_text("currency: EUR\nplans: {}\n", encoding="utf-8")
    with pytest.raises(TariffError, match=f"^{asked.path}:2:8: plans: there is no plan"):
        compiled(asked)
    with pytest.raises(VersionError, match="there is no tariff version 7"):
        compiled(version(asked, 7))


def test_a_process_that_cannot_be_is_an_error_and_no_wait(
    asked: Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(TariffError, match="the process that reads the tariff ended with"):
        compiled(asked)


def test_other_threads_have_their_usual_turns_again(asked: Wanted) -> None:
    before_s = sys.getswitchinterval()
    compiled(asked)
    assert sys.getswitchinterval() == before_s == tariff_reading.USUAL_TURN_S
