"""Messages as free events: everything that is about the call, nothing that is about the message."""

from ocs.agents.kamailio.free import free_event
from ocs.agents.kamailio.messages import Kind, Message

SAID = {
    "tr_index": "1", "tr_label": "2", "reply_route": "R", "cgr_flags": "*accounts;*routes",
    "cgr_opts": "*sessionsTTL:5s", "h_entry": "7", "h_id": "12", "OriginID": "c1", "Account": "1001",
    "Destination": "+49 151", "SetupTime": "1763805600", "Trunk": "north", "Nothing": "<null>",
}  # fmt: skip


def test_all_fields_but_those_of_the_message_itself_go_along() -> None:
    said = free_event(Message(Kind.AUTHORISE, SAID), "kam1")
    assert dict(said.fields) == {
        "h_entry": "7", "h_id": "12", "OriginID": "c1", "Account": "1001", "Destination": "+49 151",
        "SetupTime": "1763805600", "Trunk": "north", "Source": "KamailioAgent", "OriginHost": "kam1",
    }  # fmt: skip
    assert said.flags == "*accounts;*routes"
    assert said.options == (("*sessionsTTL", "5s"),)


def test_what_the_message_says_of_its_origin_counts() -> None:
    said = free_event(Message(Kind.START, {"OriginHost": "edge", "Source": "mine"}), "kam1")
    assert dict(said.fields) == {"OriginHost": "edge", "Source": "mine"}
