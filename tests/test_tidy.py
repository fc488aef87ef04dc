"""How the sources look: sizes, docstrings, words that do not belong here, tests that assert."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILE_LINES = 500
FUNCTION_LINES = 60
PRINTING = ("ocs/cli",)  # parts of the program that talk to a person
TEXT_SUFFIXES = {".py", ".md", ".yaml", ".yml", ".toml", ".cfg", ".sh", ".lua", ".js", ".css", ".html", ""}
# Words of one machine, and unfinished work; split so that this file does not contain them.
BANNED_WORDS = re.compile(
    "|".join(
        [
            "/" + "work/",
            "/" + "tmp/",
            r"\.\./" + "shared",
            r"\bTO" + r"DO\b",
            r"\bFIX" + r"ME\b",
            r"\bXX" + r"X\b",
        ]
    )
)
RECORDED = ("tests/vectors/", "dictionaries/", "ocs/rpc/web/vendor/")


def files(*folders: str) -> list[Path]:
    """Return the Python files of some folders."""
    return sorted(
        path for folder in folders for path in (ROOT / folder).rglob("*.py") if "vectors" not in path.parts
    )


def name(path: Path) -> str:
    """Return a path as it is said in the project."""
    return path.relative_to(ROOT).as_posix()


def functions(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Return every function and method of a file."""
    return [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]


PROGRAM = files("ocs")
TESTS = files("tests")
EVERYTHING = PROGRAM + TESTS + files("bench", "tools")


@pytest.mark.parametrize("path", EVERYTHING, ids=name)
def test_file_is_short_and_says_what_it_is(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= FILE_LINES
    assert not source.strip() or ast.get_docstring(ast.parse(source)), "a module begins with a docstring"


@pytest.mark.parametrize("path", EVERYTHING, ids=name)
def test_functions_are_short(path: Path) -> None:
    long = [
        f"{function.name}: {function.end_lineno - function.lineno + 1} lines"
        for function in functions(ast.parse(path.read_text(encoding="utf-8")))
        if function.end_lineno is not None and function.end_lineno - function.lineno + 1 > FUNCTION_LINES
    ]
    assert long == []


@pytest.mark.parametrize("path", PROGRAM, ids=name)
def test_program_prints_only_in_its_commands(path: Path) -> None:
    calls = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert calls == [] or name(path).startswith(PRINTING)


def shipped_texts() -> list[Path]:
    """Return every text file of the project that people wrote."""
    tops = [path for path in ROOT.iterdir() if path.is_file() and path.name not in ("LICENSE", ".git")]
    below = [
        path
        for folder in ("ocs", "tests", "bench", "docs", "tools", ".ci")
        for path in (ROOT / folder).rglob("*")
        if path.is_file()
    ]
    return sorted(
        path
        for path in tops + below
        if path.suffix in TEXT_SUFFIXES
        and "__pycache__" not in path.parts
        and not name(path).startswith(RECORDED)
    )


def test_no_text_speaks_of_one_machine_or_of_unfinished_work() -> None:
    found = [
        f"{name(path)}:{number}: {match[0]}"
        for path in shipped_texts()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if (match := BANNED_WORDS.search(line))
    ]
    assert found == []


@pytest.mark.parametrize("path", [path for path in TESTS if path.name.startswith("test_")], ids=name)
def test_every_test_can_fail(path: Path) -> None:
    """Each test has an assertion of its own, or calls something whose name says that it asserts."""
    idle = [
        function.name
        for function in functions(ast.parse(path.read_text(encoding="utf-8")))
        if function.name.startswith("test_") and not _asserts(function)
    ]
    assert idle == []


def _asserts(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func).split(".")[-1]
            if called == "raises" or called.lstrip("_").startswith(("assert", "check", "expect")):
                return True
    return False


@pytest.mark.parametrize("file", ["README.md", "CHANGELOG.md", "LICENSE", "Makefile", "ocs.yaml", ".ci/run"])
def test_the_project_has_its_papers(file: str) -> None:
    assert (ROOT / file).read_text(encoding="utf-8").strip()


def test_changelog_has_an_unreleased_part() -> None:
    assert "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_version_is_said_once() -> None:
    from ocs import __version__

    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)
    assert 'dynamic = ["version"]' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
