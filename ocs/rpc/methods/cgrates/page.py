"""docs/cgrates-methods.md, made from the methods by `python -m ocs.rpc.methods.cgrates.page`."""

import sys
from collections.abc import Iterator

from ocs.rpc.methods.cgrates import CGRATES, known
from ocs.rpc.registry import Registry

HEADING = """\
# Methods of CGRateS

What `ocs cgrates` answers of the JSON-RPC methods of CGRateS, made from its code by
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
"""


def page(registry: Registry = CGRATES) -> str:
    """The whole page."""
    return "\n".join((HEADING, *_summary(registry), *_tables(registry), ""))


def _summary(registry: Registry) -> Iterator[str]:
    names = list(known.names())
    there = sum(name in registry for name in names)
    yield f"{there} of {len(names)} known methods are there."


def _tables(registry: Registry) -> Iterator[str]:
    summaries = {method.name: method.summary for method in registry}
    for service, methods in known.SERVICES.items():
        yield f"\n## {service}\n\n| method | there | what it does, or why it is not there |\n|---|---|---|"
        for name in sorted(set(methods)):
            full = f"{service}.{name}"
            summary = summaries.get(full)
            note = known.reason(full) if summary is None else summary
            yield f"| `{name}` | {'no' if summary is None else 'yes'} | {note.replace('|', '/')} |"


if __name__ == "__main__":
    sys.stdout.write(page())
