"""Dictionaries: the shipped ones, operators' ones, and what is wrong with bad ones."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ocs.diameter import avps
from ocs.diameter.avps import MINIMUM_PAYLOADS
from ocs.diameter.dictionary import (
    AvpType,
    Definition,
    Dictionary,
    DictionaryError,
    load,
    read_file,
    shipped_folder,
    standard,
)
from tests.diameter.support import VECTORS

SIZES = {
    AvpType.UNSIGNED32: 4,
    AvpType.INTEGER32: 4,
    AvpType.ENUMERATED: 4,
    AvpType.TIME: 4,
    AvpType.UNSIGNED64: 8,
    AvpType.INTEGER64: 8,
    AvpType.ADDRESS: 6,
}


def constants() -> dict[str, int]:
    """The named keys of ocs.diameter.avps."""
    found = {name: value for name, value in vars(avps).items() if name.isupper() and isinstance(value, int)}
    return {name: key for name, key in found.items() if not name.startswith("_") and name != "VENDOR_3GPP"}


def written(folder: Path, text: str, name: str = "own.xml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def avp_xml(attributes: str, data: str = '<data type="Unsigned32"/>') -> str:
    return (
        f'<diameter>\n<application id="4">\n<avp {attributes}>\n{data}\n</avp>\n</application>\n</diameter>\n'
    )


def test_every_avp_of_the_merged_table_is_known_with_its_type_and_m_rule() -> None:
    dictionary = load([shipped_folder()], library=False)
    table = json.loads((VECTORS / "gy" / "avps.json").read_text())
    assert len(table) == 729
    for row in table:
        definition = dictionary.lookup(row["vendor"] << 32 | row["code"])
        assert definition is not None, row["name"]
        assert (definition.name, definition.type.value) == (row["name"], row["type"])
        assert definition.mandatory is row["M"]
        assert set(definition.values) == {int(value) for value in row["enum"]}
        assert list(definition.members) == row["children"]


def test_every_named_key_is_in_the_dictionary_under_that_name() -> None:
    dictionary = load([shipped_folder()], library=False)
    for name, key in constants().items():
        definition = dictionary.lookup(key)
        assert definition is not None, name
        written_name = definition.name.upper().replace("-", "_")
        assert written_name.replace("3GPP", "TGPP", 1) == name or written_name == name


def test_minimum_payloads_follow_the_types() -> None:
    dictionary = load([shipped_folder()], library=False)
    for name, key in constants().items():
        definition = dictionary.lookup(key)
        assert definition is not None
        assert MINIMUM_PAYLOADS.get(key, 0) == SIZES.get(definition.type, 0), name


def test_every_member_of_a_shipped_group_is_defined() -> None:
    dictionary = load([shipped_folder()], library=False)
    table = json.loads((VECTORS / "gy" / "avps.json").read_text())
    members = {member for row in table for member in row["children"]}
    assert [name for name in sorted(members) if dictionary.named(name) is None] == []


def test_corrections_replace_what_the_library_has_wrong() -> None:
    dictionary = standard()
    reporting_reason = dictionary.lookup(avps.REPORTING_REASON)
    assert reporting_reason is not None
    assert (reporting_reason.type, reporting_reason.values[3]) == (AvpType.ENUMERATED, "QUOTA_EXHAUSTED")
    for name, key in (("OC-OLR", 623), ("Unused-Quota-Timer", 10415 << 32 | 4407), ("Exponent", 429)):
        definition = dictionary.named(name)
        assert definition is not None
        assert definition.key == key
    assert dictionary.named("Exponent") == Definition(429, "Exponent", AvpType.INTEGER32, True)
    origin_host = dictionary.named("Origin-Host")
    assert origin_host is not None
    assert origin_host.type is AvpType.DIAMETER_IDENTITY
    assert origin_host.mandatory


def test_the_library_adds_avps_the_shipped_files_lack() -> None:
    dictionary = standard()
    assert len(dictionary) > 2_500
    used_by_ericsson = [key for key in dictionary.keys() if key >> 32 == 193]  # noqa: SIM118 - not a dict
    assert len(used_by_ericsson) > 50
    login = dictionary.named("Login-TCP-Port")
    assert login is not None
    assert login.type is AvpType.UNSIGNED32


def test_copies_of_other_vendors_do_not_take_a_standard_name() -> None:
    reporting_reason = standard().named("Reporting-Reason")
    assert reporting_reason is not None
    assert reporting_reason.key == avps.REPORTING_REASON


def test_commands_have_names_and_unknown_ones_their_number() -> None:
    dictionary = standard()
    assert dictionary.command_name(272, True) == "Credit-Control-Request"
    assert dictionary.command_name(280, False) == "Device-Watchdog-Answer"
    assert dictionary.command_name(999, True) == "Command-999-Request"


def test_the_generated_files_are_up_to_date() -> None:
    script = shipped_folder() / "generate.py"
    done = subprocess.run(
        [sys.executable, str(script), "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_operators_dictionary_adds_and_replaces(tmp_path: Path) -> None:
    written(
        tmp_path,
        """<?xml version="1.0" encoding="UTF-8"?>
        <diameter>
          <application id="4" type="auth" name="own">
            <vendor id="2011" name="Huawei"/>
            <command code="272" short="CC" name="Credit-Control">
              <request><rule avp="Session-Id" required="true" max="1"/></request>
            </command>
            <avp name="In-Information" code="20300" must="V,M" may="P" must-not="-" vendor-id="2011">
              <data type="Grouped"><rule avp="Charge-Flow-Type" required="false" max="1"/></data>
            </avp>
            <avp name="Charge-Flow-Type" code="20339" must="V" may="M" vendor-id="2011">
              <data type="Enumerated"><item code="0" name="ORIGINATING"/><item code="-1" name="NONE"/></data>
            </avp>
            <avp name="My-Group" code="432" must="M"><data type="Unsigned32"/></avp>
          </application>
        </diameter>""",
    )
    dictionary = load([shipped_folder(), tmp_path], library=False)
    group = dictionary.named("In-Information")
    assert group == Definition(
        2011 << 32 | 20300, "In-Information", AvpType.GROUPED, True, {}, ("Charge-Flow-Type",)
    )
    flow = dictionary.named("Charge-Flow-Type")
    assert flow is not None
    assert (flow.values, flow.mandatory) == ({0: "ORIGINATING", -1: "NONE"}, False)
    assert dictionary.named("Rating-Group") is None
    renamed = dictionary.lookup(432)
    assert renamed is not None
    assert renamed.name == "My-Group"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("<diameter>\n<application>\n</diameter>", 3, "mismatched tag"),
        ("", 1, "no element found"),
        ("\n<dictionary/>", 2, "outermost element is <dictionary>"),
        (avp_xml('name="A" code="x"'), 3, 'code="x", which is no number'),
        (avp_xml('name="A" code="-1"'), 3, "out of range"),
        (avp_xml('name="A" code="4294967296"'), 3, "out of range"),
        (avp_xml('name="A" code="1" vendor-id="no"'), 3, 'vendor-id="no"'),
        (avp_xml('code="1"'), 3, "<avp> has no name"),
        (avp_xml('name="A"'), 3, "<avp> has no code"),
        (avp_xml('name="A" code="1"', ""), 5, "AVP A has no <data type=...>"),
        (avp_xml('name="A" code="1"', '<data type="Unsigned31"/>'), 4, 'unknown data type "Unsigned31"'),
        (avp_xml('name="A" code="1"', "<data/>"), 4, "<data> has no type"),
        (avp_xml('name="A" code="1"', '<data type="Grouped"><rule/></data>'), 4, "<rule> has no avp"),
        (
            avp_xml('name="A" code="1"', '<data type="Enumerated">\n<item code="1"/></data>'),
            5,
            "<item> has no name",
        ),
        (avp_xml('name="A" code="1"', '<avp name="B" code="2"/>'), 4, "<avp> inside <avp>"),
        (
            '<diameter><application><avp name="A" code="1"><data type="Time"/></avp>\n'
            '<avp name="B" code="1"><data type="Address"/></avp></application></diameter>',
            2,
            "AVP B was defined before as A, Time",
        ),
        ('<!DOCTYPE d [<!ENTITY a "aa">]>\n<diameter/>', 1, "document type declaration"),
        ('<diameter>\n<command name="X"/></diameter>', 2, "<command> has no code"),
    ],
)
def test_an_unusable_file_is_named_with_its_line_and_adds_nothing(
    tmp_path: Path, text: str, line: int, message: str
) -> None:
    path = written(tmp_path, text)
    dictionary = Dictionary()
    with pytest.raises(DictionaryError) as caught:
        read_file(dictionary, path)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert message in str(caught.value)
    assert len(dictionary) == 0


def test_missing_folders_and_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DictionaryError, match="no such folder"):
        load([tmp_path / "absent"], library=False)
    (tmp_path / "a.xml").mkdir()
    with pytest.raises(DictionaryError, match=r"a\.xml:0: "):
        load([tmp_path], library=False)


def test_an_oversized_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "big.xml"
    with path.open("wb") as file:
        file.truncate(17 * 1024 * 1024)
    with pytest.raises(DictionaryError, match="larger than"):
        read_file(Dictionary(), path)


def test_applications_have_a_name_a_kind_and_their_commands(tmp_path: Path) -> None:
    dictionary = load([shipped_folder()], library=False)
    assert dictionary.applications[0].name == "Base"
    assert dictionary.applications[4].commands == {272: "CC"}
    assert dictionary.applications[3].is_accounting
    read_file(
        dictionary,
        written(
            tmp_path,
            '<diameter><application id="4" type="auth" name="Mine"><vendor id="7" name="V"/>'
            '<command code="999" short="MY" name="My"/></application>'
            "<application/></diameter>",
        ),
    )
    mine = dictionary.applications[4]
    assert (mine.name, mine.commands) == ("Mine", {272: "CC", 999: "MY"})
    assert dictionary.command_name(999, is_request=True) == "My-Request"


def test_a_name_of_several_vendors_leads_to_all_of_them(tmp_path: Path) -> None:
    dictionary = Dictionary()
    for vendor in (0, 7):
        read_file(dictionary, written(tmp_path, avp_xml(f'name="Colour" code="1" vendor-id="{vendor}"')))
    assert dictionary.keys_named("Colour") == {1, 7 << 32 | 1}
    named = dictionary.named("Colour")
    assert named is not None
    assert named.key == 7 << 32 | 1, "what is written is the last one"
    read_file(dictionary, written(tmp_path, avp_xml('name="Shade" code="1" vendor-id="7"')))
    assert (dictionary.keys_named("Colour"), dictionary.keys_named("Nothing")) == ({1}, set())
