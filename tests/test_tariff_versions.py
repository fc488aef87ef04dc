"""Versions are numbered, never change, and are there whole or not at all."""

import os
from pathlib import Path

import pytest

from ocs.charging.tariff.files import open_source
from ocs.charging.tariff.import_cgrates.folder import ImportOptions
from ocs.tariff_versions import CONFIGURED, VersionError, Versions
from tests.support.tariff_texts import keep, write_folder, yaml_source


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    return Versions(tmp_path)


def test_versions_are_numbered_and_read_back_as_they_were(versions: Versions, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "in")
    (folder / "more").mkdir()
    (folder / "more" / "Destinations.csv").write_text("E,1\n", encoding="utf-8")
    options = ImportOptions("USD", "Europe/Berlin", {"call": ("voice", "data")})
    source, _ = open_source(folder, options)
    assert source is not None
    first, second = keep(versions, yaml_source(), 5, "one"), keep(versions, source, 6)
    assert (first.number, second.number) == (1, 2)
    assert [versions.source(1), versions.source(2)] == [yaml_source(), source]
    assert versions.all() == [first, second]
    assert (first.note, first.by, first.created_at_ns, second.options) == ("one", "test", 5, options)
    assert "more/Destinations.csv" in second.files


def test_a_changed_version_is_refused(versions: Versions) -> None:
    version = keep(versions, yaml_source())
    path = versions.place(1) / "files" / "t.yaml"
    path.write_text(path.read_text().replace("0.10", "0.11"))
    with pytest.raises(VersionError, match="version 1 is damaged: its checksum is wrong"):
        versions.source(version.number)
    path.unlink()
    with pytest.raises(VersionError, match="damaged"):
        versions.source(1)


def test_equal_texts_have_equal_checksums_and_others_do_not(versions: Versions) -> None:
    sums = [keep(versions, yaml_source(price)).checksum for price in ("1", "1", "2")]
    assert sums[0] == sums[1] != sums[2]


def test_a_version_that_is_not_there_is_said_so(versions: Versions) -> None:
    for ask in (versions.get, versions.source):
        with pytest.raises(VersionError, match="there is no tariff version 3"):
            ask(3)
    with pytest.raises(VersionError, match="there is no tariff version 3"):
        versions.activate(3, "me", 1)
    assert versions.current() == CONFIGURED


def test_rollback_goes_back_step_by_step_to_the_tariff_of_the_settings(versions: Versions) -> None:
    for _ in range(3):
        keep(versions, yaml_source())
    for number in (1, 3, 2):
        versions.activate(number, "me", 10 * number)
    back = []
    for at_ns in (100, 200, 300):
        assert versions.before() == versions.rollback("me", at_ns).number
        back.append(versions.current())
    assert back == [3, 1, CONFIGURED]
    with pytest.raises(VersionError, match="nothing to roll back"):
        versions.rollback("me", 400)
    assert [activation.number for activation in versions.active().log] == [1, 3, 2, 3, 1, 0]


def test_what_was_active_at_a_moment_is_known(versions: Versions) -> None:
    for number in (1, 2):
        keep(versions, yaml_source())
        versions.activate(number, "me", 100 * number)
    assert [versions.around(at_ns) for at_ns in (99, 100, 250)] == [[0], [1, 0], [2, 1]]


def test_an_import_that_was_cut_off_leaves_no_version(
    versions: Versions, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(versions, yaml_source("1"))

    def fail(descriptor: int) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="disk full"):
            keep(versions, yaml_source("2"))
        with pytest.raises(OSError, match="disk full"):
            versions.activate(1, "me", 1)
    assert ([version.number for version in versions.all()], versions.current()) == ([1], CONFIGURED)
    assert keep(versions, yaml_source("3")).number == 2
    assert versions.source(2) == yaml_source("3")


def test_everything_is_on_disk_before_it_gets_its_name(
    versions: Versions, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        synced.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    keep(versions, yaml_source())
    assert set(synced[:2]) == {"t.yaml", "version.json"}
    assert synced[-1] == "tariffs"
    assert {".new-000001", "files"} <= set(synced[2:-1])
    synced.clear()
    versions.activate(1, "me", 1)
    assert synced == [".new-active.json", "tariffs"]


def test_damaged_notes_are_said_clearly(versions: Versions) -> None:
    keep(versions, yaml_source())
    (versions.folder / "active.json").write_text("{", encoding="utf-8")
    (versions.place(1) / "version.json").write_text("[]", encoding="utf-8")
    with pytest.raises(VersionError, match=r"active\.json is damaged"):
        versions.current()
    with pytest.raises(VersionError, match="version 1 is damaged"):
        versions.all()
