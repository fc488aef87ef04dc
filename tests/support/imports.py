"""What a file imports and which clocks it reads, by its syntax tree."""

import ast

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
