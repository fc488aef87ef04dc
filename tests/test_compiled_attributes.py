"""What compiled code reads of an object is what Python reads of it, whatever was read at the same place before."""

import importlib.util
import shutil
import subprocess
import sysconfig
from collections.abc import Callable
from enum import Enum, EnumMeta, IntEnum
from pathlib import Path
from typing import Any

import msgspec
import pytest

HEADER = Path(__file__).resolve().parent.parent / "hatch_attributes.h"
MODULE = """
static PyObject *read_attribute(PyObject *self, PyObject *arguments) {
    PyObject *object, *name;
    if (!PyArg_ParseTuple(arguments, "OU", &object, &name)) return NULL;
    Py_INCREF(name);
    PyUnicode_InternInPlace(&name); /* as the names in compiled code are */
    PyObject *found = PyObject_GetAttr(object, name);
    Py_DECREF(name);
    return found;
}
static PyMethodDef methods[] = {{"read", read_attribute, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "place", NULL, -1, methods, NULL, NULL, NULL, NULL};
PyMODINIT_FUNC PyInit_place(void) { return PyModule_Create(&module); }
"""

Read = Callable[[object, str], Any]


class Record(msgspec.Struct, frozen=True, gc=False):
    first: int
    name: str


class Other(msgspec.Struct):
    name: str
    first: int


class Slotted:
    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class Colour(IntEnum):
    RED = 1
    GREEN = 2


class Shape(Enum):
    RED = "round"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A module that has one place at which any attribute is read."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "place.c").write_text(MODULE, encoding="utf-8")
    include = sysconfig.get_path("include")
    compiled = folder / "compiled.so"
    command = ["gcc", "-shared", "-fPIC", "-O1", f"-I{include}", "-include", str(HEADER)]
    subprocess.run([*command, str(folder / "place.c"), "-o", str(compiled)], check=True)
    return compiled


@pytest.fixture
def read(library: Path, tmp_path: Path) -> Read:
    """That place, before anything was read there."""
    own = shutil.copy(library, tmp_path / "place.so")
    spec = importlib.util.spec_from_file_location("place", own)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Read = module.read
    return found


def test_slots_are_those_of_the_object_at_hand(read: Read) -> None:
    objects: list[Any] = [Record(1, "record"), Other("other", 2), Slotted("slotted"), Record(3, "again")] * 3
    assert [read(one, "name") for one in objects] == [one.name for one in objects]
    assert [read(objects[0], name) for name in ("first", "name", "first")] == [1, "record", 1]


def test_a_place_that_sees_ever_more_types_reads_on(read: Read) -> None:
    types = [msgspec.defstruct(f"S{number}", [(f"f{number}", int), ("name", int)]) for number in range(200)]
    assert [read(one(0, number), "name") for number, one in enumerate(types)] == list(range(200))


def test_a_class_that_changes_is_searched_again(read: Read) -> None:
    class Base:
        __slots__ = ("name",)
        name: Any

    class Changing(Base):
        __slots__ = ()

    one = Changing()
    one.name = "slot"
    assert [read(one, "name"), read(one, "name")] == ["slot", "slot"]
    type.__setattr__(Changing, "name", property(lambda self: "property"))
    assert read(one, "name") == "property"
    type.__delattr__(Changing, "name")
    assert read(one, "name") == "slot"
    type.__setattr__(Base, "name", property(lambda self: "of the base"))
    assert read(one, "name") == "of the base"


def test_an_empty_slot_is_missing(read: Read) -> None:
    full, empty = Slotted("x"), Slotted("y")
    del empty.name
    assert [read(full, "name"), read(full, "name")] == ["x", "x"]
    with pytest.raises(AttributeError, match="name"):
        read(empty, "name")


def test_an_attribute_is_given_by_whoever_has_it_first(read: Read) -> None:
    class Plain:
        def __init__(self, name: str) -> None:
            self.name = name

    class Asked(Slotted):
        __slots__ = ()

        def __getattribute__(self, name: str) -> Any:
            return "asked" if name == "name" else super().__getattribute__(name)

    objects = [Asked("hidden"), Asked("hidden"), Plain("dict"), Slotted("slot"), Asked("hidden")] * 2
    assert [read(one, "name") for one in objects] == ["asked", "asked", "dict", "slot", "asked"] * 2


def test_members_of_enumerations_are_those_of_the_class_at_hand(read: Read) -> None:
    asked: list[type[Enum]] = [Colour, Shape, Colour, Colour, Shape]
    assert [read(one, "RED") for one in asked] == [Colour.RED, Shape.RED, Colour.RED, Colour.RED, Shape.RED]
    assert [read(Colour, name) for name in ("GREEN", "RED", "GREEN")] == [2, 1, 2]


def test_an_attribute_of_a_class_that_changes_is_searched_again(read: Read) -> None:
    class Base:
        limit: Any = 1

    class Changing(Base):
        pass

    assert [read(Changing, "limit"), read(Changing, "limit")] == [1, 1]
    Base.limit = 2
    assert read(Changing, "limit") == 2
    Changing.limit = property(lambda self: 3)
    assert read(Changing, "limit") is Changing.__dict__["limit"]
    assert read(Changing(), "limit") == 3


def test_a_metaclass_is_asked_first(read: Read) -> None:
    said: list[str] = []

    class Loud(EnumMeta):
        def __getattribute__(cls, name: str) -> Any:
            found = super().__getattribute__(name)
            said.append(name)
            return "loud" if said.count("RED") > 1 else found

    class Told(Enum, metaclass=Loud):
        RED = 1

    class Meta(type):
        pass

    class Made(metaclass=Meta):
        limit = "class"

    member = Told(1)
    said.clear()
    assert [read(Told, "RED"), read(Told, "RED")] == [member, "loud"]
    assert [read(Made, "limit"), read(Made, "limit")] == ["class", "class"]
    type.__setattr__(Meta, "limit", property(lambda cls: "metaclass"))
    assert read(Made, "limit") == "metaclass"
