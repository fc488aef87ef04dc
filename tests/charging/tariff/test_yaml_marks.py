"""Claims about YAML with places."""

import pytest

from ocs.charging.tariff.yaml_marks import Field, Problem, closest, read_fields


def root(text: str) -> tuple[Field, list[Problem]]:
    problems: list[Problem] = []
    found = read_fields(text, "f.yaml", problems)
    assert found is not None
    return found, problems


def test_a_problem_reads_like_one_of_a_compiler() -> None:
    problem = Problem("t.yaml", 3, 7, "rates.x.price", "is wrong", "0.05")
    assert str(problem) == 't.yaml:3:7: rates.x.price: is wrong - did you mean "0.05"?'
    assert str(Problem("t.yaml", 1, 1, "", "is empty")) == "t.yaml:1:1: is empty"


def test_scalars_keep_every_digit_they_are_written_with() -> None:
    field, _ = root("{a: 0.1000000000000000055511151231257827, b: 010, c: 0x10, d: yes, e: 12:30:00}")
    texts = [item.text() for item in field.entries().values()]
    assert texts == ["0.1000000000000000055511151231257827", "010", "0x10", "yes", "12:30:00"]


def test_unknown_and_repeated_keys_are_found_at_their_place() -> None:
    field, problems = root("price: 1\nprice: 2\nincremant: 3\n")
    assert list(field.members(("price", "increment"))) == ["price"]
    assert [str(problem) for problem in problems] == [
        "f.yaml:2:1: price: is given twice",
        'f.yaml:3:1: incremant: is not known here - did you mean "increment"?',
    ]


def test_the_wrong_shape_is_a_problem_and_not_an_exception() -> None:
    field, problems = root("a: [1, [2]]\nb: {x: 1}\nc:\nd: []\n? [k]\n: 1\n")
    entries = field.entries()
    assert entries["a"].values(str) == ["1"]
    assert entries["b"].text() is None
    assert entries["c"].text() is None
    assert entries["c"].entries() == {}
    assert entries["d"].items() == []
    assert entries["a"].entries() == {}
    assert [problem.path for problem in problems] == ["?", "a[1]", "b", "c", "d", "a"]


def test_the_reason_of_a_parser_is_told_at_the_value() -> None:
    field, problems = root("a: {b: x}")

    def refuse(text: str) -> int:
        raise ValueError(f"{text} is no number")

    assert field.entries()["a"].entries()["b"].value(refuse) is None
    assert str(problems[0]) == "f.yaml:1:8: a.b: x is no number"


def test_a_name_that_does_not_exist_is_told_with_the_nearest_one() -> None:
    field, problems = root("a: germny")
    assert field.entries()["a"].name_of({"germany": 1}, "destination") is None
    assert str(problems[0]) == 'f.yaml:1:4: a: there is no destination "germny" - did you mean "germany"?'
    assert closest("zzz", ("germany",)) == ""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "f.yaml:1:1: is empty"),
        ("# nothing\n", "f.yaml:1:1: is empty"),
        ("a: b: c", "f.yaml:1:5: is not YAML: mapping values are not allowed in this context"),
        ("a: [1\nb: 2", "f.yaml:2:2: is not YAML: did not find expected ',' or ']'"),
        ("[" * 500, "f.yaml:1:101: is nested more than 100 deep"),
        ("- " * 200_000, "f.yaml:1:201: is nested more than 100 deep"),
        ("a: *b", 'f.yaml:1:4: there is no anchor "b"'),
        ("a: 1\n---\nb: 2", "f.yaml:3:1: is a second document; a file has one"),
    ],
)
def test_what_is_no_yaml_is_one_problem(text: str, told: str) -> None:
    problems: list[Problem] = []
    assert read_fields(text, "f.yaml", problems) is None
    assert [str(problem) for problem in problems] == [told]


def test_brackets_without_end_are_one_problem() -> None:
    problems: list[Problem] = []
    assert (
        read_fields("[" * 500_000, "f.yaml", problems) is None
    )  # some versions of the parser count themselves
    assert "nest" in str(*problems)


def test_a_value_that_contains_itself_is_a_problem() -> None:
    field, problems = root("a: &x [*x]")
    assert field.entries()["a"].values(str) == []
    assert problems


def test_an_alias_is_what_its_anchor_is() -> None:
    field, problems = root("a: &x [1, 2]\nb: *x\n")
    assert field.entries()["b"].values(int) == [1, 2]
    assert problems == []


def test_control_characters_are_a_problem() -> None:
    problems: list[Problem] = []
    assert read_fields("a: \x01", "f.yaml", problems) is None
    assert len(problems) == 1
