"""The modules of the program, what a file imports and which clocks it reads, by its syntax tree."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
IMPURE = frozenset(
    (
        *("asyncio", "socket", "ssl", "select", "selectors", "aiohttp", "asyncio_dgram", "redis", "sqlite3"),
        *("threading", "multiprocessing", "concurrent", "subprocess", "signal", "os", "shutil", "tempfile"),
        *("time", "random", "secrets", "uuid", "logging", "structlog", "prometheus_client"),
    )
)
CLOCK_CALLS = frozenset({"now", "utcnow", "today"})  # of datetime and date


def imports(tree: ast.Module, module: str, is_package: bool) -> set[str]:
    """Return every module a file imports, also inside functions; `from a import b` counts as `a.b` too."""
    found: set[str] = set()
    package = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*start, *(node.module.split(".") if node.module else [])])
            found |= {f"{base}.{alias.name}" for alias in node.names}
    return found


def clock_calls(tree: ast.Module) -> list[str]:
    """Calls that ask what time it is."""
    return [
        ast.unparse(node.func)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in CLOCK_CALLS
        and ast.unparse(node.func.value).split(".")[-1] in ("datetime", "date")
    ]


def is_below(module: str, prefix: str) -> bool:
    """Say whether a module is `prefix` or below it."""
    return module == prefix or module.startswith(f"{prefix}.")


def modules() -> list[tuple[str, Path]]:
    """Return every module of the program with its file."""
    rows = []
    for path in sorted((ROOT / "ocs").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        rows.append((".".join(parts[:-1] if parts[-1] == "__init__" else parts), path))
    return rows
