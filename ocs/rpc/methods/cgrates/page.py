"""docs/cgrates-methods.md, made from the methods by `python -m ocs.rpc.methods.cgrates.page`."""

import sys
from collections.abc import Iterator

from ocs.rpc.methods.cgrates import CGRATES, known, on_exact
from ocs.rpc.methods.cgrates.exact_accounts import ExactAccounts
from ocs.rpc.registry import Registry

HEADING = """\
# Methods of CGRateS

What `ocs cgrates` and `ocs serve` answer of the JSON-RPC methods of CGRateS, made from the code by
`python -m ocs.rpc.methods.cgrates.page`. Every method of `APIerSv1` answers under `APIerSv2` as well. Parameters
and answers have the members of CGRateS; members may be written in any case, unknown ones are ignored. Whatever a
method changes is on disk before its answer leaves. A method that is not there is answered as CGRateS answers it:
`rpc: can't find service X.Y` or `rpc: can't find method X.Y`.

Different on purpose:

- `LoadTariffPlanFromFolder` uses a folder as a whole or not at all: a rating or accounting cell that cannot be used
  is an error with its file, line and column. What is due `*asap` has run when the answer comes.
- Runs of action plans that fall into a time at which the server is down are left out, as there.
- Actions that reach outside: `*log`, `*cdrlog`, `*http_post` and its like (`general.poster_attempts`), `*export`,
  `*alter_sessions`, `*force_disconnect_sessions`, `*reset_threshold`, `*reset_stat_queue` and `*cgr_rpc` to
  `*internal` are carried out, behind the step that asked for them; mails, profiles set by actions (`*dynamic_...`)
  and remote accounts are not, and a warning says so each time.
- `IPsV1` gives addresses of whole networks, in ascending or descending order; sessions take them by `AuthorizeIP`,
  `AllocateIP` and `ReleaseIP` where `sessions.ips_conns` is set, and lose them when they cannot begin.
- `CoreSv1.StartCPUProfiling` writes a profile of Python, to be read with `pstats`.

On `ocs serve` sessions, records and profiles have the same methods, and accounts those a portal needs. There

- a balance is named by its `ID`, which is its `Uuid` too; money without a name is the balance `main`. `Value` shows
  what is available: what sessions hold is not in it.
- `SetAccount`, `AddBalance`, `SetBalance` and `SetBalances` open an account that is not there, on the plan of
  `charging.dynaprepaid_plan` or the only one of the tariff; a name of digits is its number as well.
- `DebitBalance` takes from a balance that is there; `Weight` is a whole number; accounts are not removed, for their
  history stays: `SetAccount` with `Disabled` bars one.
- the tariff is that of ocs.yaml, with its versions: tariff plans are not loaded over this API. `OcsV1` has what is
  left: histories, action plans, triggers, shared groups, re-rating.
"""


def page(registry: Registry = CGRATES) -> str:
    """The whole page."""
    return "\n".join((HEADING, *_summary(registry), *_tables(registry), ""))


def served() -> frozenset[str]:
    """Names of the methods that `ocs serve` answers as well."""
    registry = Registry()
    ExactAccounts(_Nobody(), "").register(registry)
    return frozenset(method.name for method in (*on_exact.offered(), *registry))


class _Nobody:
    """Knows no account."""

    async def key_of(self, tenant: str, name: str) -> str:
        """The key it would have."""
        return f"{tenant}:{name}"


def _summary(registry: Registry) -> Iterator[str]:
    names, exact = list(known.names()), served()
    there = sum(name in registry for name in names)
    also = sum(name in exact for name in names)
    yield f"{there} of {len(names)} known methods are there; {also} of them on `ocs serve` too."


def _tables(registry: Registry) -> Iterator[str]:
    summaries = {method.name: method.summary for method in registry}
    exact = served()
    heading = (
        "| method | `ocs cgrates` | `ocs serve` | what it does, or why it is not there |\n|---|---|---|---|"
    )
    for service, methods in known.SERVICES.items():
        yield f"\n## {service}\n\n{heading}"
        for name in sorted(set(methods)):
            full = f"{service}.{name}"
            summary = summaries.get(full)
            note = known.reason(full) if summary is None else summary
            there = ("no" if summary is None else "yes", "yes" if full in exact else "no")
            yield f"| `{name}` | {there[0]} | {there[1]} | {note.replace('|', '/')} |"


if __name__ == "__main__":
    sys.stdout.write(page())
