"""Compares the product with recorded answers: `python -m tests.charging.cgrates.golden [--write-exceptions]`.

Every world is replayed step by step. A group is a scenario on accounts of its own; its first difference is kept, as
what follows it may only follow from it.
"""

import json
import sys
from functools import cache
from typing import Any, NamedTuple

from tests.charging.cgrates import rating_replay
from tests.charging.cgrates.action_replay import Ledgers
from tests.charging.cgrates.worlds import GOLDEN, Step, World, expected, same, worlds

EXCEPTIONS = GOLDEN / "exceptions.json"
RULE = "a debt grows by lost residues of doubles"
KINDS = ("rating", "debit", "session", "action")


class Difference(NamedTuple):
    """Where a group first differs: result, error or balances after the step, as recorded and as ours."""

    file: str
    group: int
    step: int
    call: str
    incumbent: dict[str, Any]
    ours: dict[str, Any]


class Agreement(NamedTuple):
    """What a replay of one kind has found."""

    steps: int
    equal_steps: int
    groups: int
    differences: list[Difference]


@cache
def compare(kind: str, level: int, *, drifts: bool) -> Agreement:
    """Replays all worlds of a kind."""
    steps = equal = groups = 0
    differences: list[Difference] = []
    for world in worlds(kind, drifts=drifts):
        found: dict[int, Difference] = {}
        ledgers = Ledgers(world)
        for number, step in enumerate(world.steps):
            told, ours = _sides(world, ledgers, step, level)
            group = step.get("group", number)
            steps += 1
            parts = [part for part in told if not same(told[part], ours[part], world.grid)]
            equal += not parts
            if parts and group not in found:
                found[group] = Difference(
                    world.name,
                    group,
                    number,
                    step["call"],
                    {part: told[part] for part in parts},
                    {part: ours[part] for part in parts},
                )
        groups += len({step.get("group", number) for number, step in enumerate(world.steps)})
        differences.extend(found.values())
    return Agreement(steps, equal, groups, differences)


def _sides(world: World, ledgers: Ledgers, step: Step, level: int) -> tuple[Any, Any]:
    """(recorded, ours) of one step: answer, error, balances after it."""
    if world.name.startswith("rating"):
        result, error = rating_replay.answer(world, step)
    else:
        result, error = ledgers.answer(step)
    if level == 1 and isinstance(result, dict):
        result = {key: value for key, value in result.items() if key not in ("spans", "Charges")}
    told = {"result": expected(step["call"], step.get("result"), level), "error": step.get("error")}
    ours = {"result": result, "error": error}
    if "balances" in step:
        told["balances"] = step["balances"]
        ours["balances"] = ledgers.balances(list(step["balances"]))
    return told, ours


def exceptions() -> list[dict[str, Any]]:
    """First differences of every group without the drift of debts, with the rule behind them."""
    return [
        {"rule": RULE, **difference._asdict()}
        for kind in KINDS
        for difference in compare(kind, 1, drifts=False).differences
    ]


def main(arguments: list[str]) -> int:
    """Writes the table of exceptions, or counts agreement per kind and level."""
    if "--write-exceptions" in arguments:
        lines = ",\n".join(json.dumps(entry) for entry in exceptions())
        EXCEPTIONS.write_text(f"[\n{lines}\n]\n", "utf-8")
    for kind in KINDS:
        for level, drifts in ((1, False), (1, True), (2, True)):
            if level == 2 and kind not in ("rating", "debit"):
                continue
            found = compare(kind, level, drifts=drifts)
            text = f"{kind}, level {level}, {'with' if drifts else 'without'} drift of debts: "
            text += f"{found.equal_steps} of {found.steps} steps, "
            text += f"{found.groups - len(found.differences)} of {found.groups} groups\n"
            sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
