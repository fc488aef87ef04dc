"""Forms and documents: what a path finds in them, and what replies look like."""

import pytest

from ocs.cgrates.agents.http_payloads import Document, Lines, read_xml
from ocs.cgrates.agents.templates import Field, compiled
from ocs.charging.profiles.view import ABSENT, split

NOTICE = b"""<?xml version="1.0" encoding="UTF-8"?>
<notice kind="end">
<leg><id>1</id><to>49301</to></leg><leg><id>2</id></leg><x:a xmlns:x="u"> &lt;b&gt; </x:a></notice>"""


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("notice.leg.id", "1"),
        ("notice.leg[1].id", "2"),
        ("notice.leg[0].to", "49301"),
        ("notice.leg[1].to", ABSENT),
        ("notice.leg[2].id", ABSENT),
        ("notice.@kind", "end"),
        ("notice.x:a", "<b>"),
        ("notice", ""),
        ("other", ABSENT),
    ],
)
def test_a_path_finds_the_first_element_or_the_one_of_its_number(path: str, value: object) -> None:
    assert read_xml(NOTICE).walk(split(path)) == value


def field(path: str, kind: str = "*constant", *, new_branch: bool = False) -> Field:
    (made,) = compiled([{"path": path, "type": kind, "value": "x", "new_branch": new_branch}], "test", {})
    return made


def test_a_document_has_elements_in_each_other_and_begins_a_branch_anew() -> None:
    said = Document()
    said.put(field("*rep.r.leg.id"), "1")
    said.put(field("*rep.r.leg.cost"), "a<b\x00")
    said.put(field("*rep.r.leg.id", new_branch=True), "2")
    said.put(field("*rep.r.text", "*composed"), "to")
    said.put(field("*rep.r.text", "*composed"), "gether")
    said.put(field("*rep.r.gone"), "1")
    said.remove(("r", "gone"))
    assert said.value(("r", "leg", "id")) == "2"
    assert said.octets().decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        "  <r>\n    <leg>\n      <id>1</id>\n      <cost>a&lt;b </cost>\n    </leg>\n"
        "    <leg>\n      <id>2</id>\n    </leg>\n    <text>together</text>\n  </r>"
    )


def test_lines_keep_their_order_and_stay_lines() -> None:
    said = Lines()
    said.put(field("*rep.b"), "1\r\nc=2")
    said.put(field("*rep.a"), "old")
    said.put(field("*rep.a"), "new")
    said.put(field("*rep.gone"), "1")
    said.remove(("gone",))
    assert (said.octets(), said.value(("a",))) == (b"b=1 c=2\na=new\n", "new")
