"""Build hook: with OCS_COMPILE=1 the wheel carries the hot path compiled by mypyc, from the same sources.

The compiled modules lie beside their sources in the wheel and are imported instead of them. Without a C
compiler or Python's headers the build says so and the wheel stays plain Python.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

EXACT = (
    "ocs/agents/diameter/mapping/answer.py",
    "ocs/agents/diameter/mapping/context.py",
    "ocs/agents/diameter/mapping/credit_control.py",
    "ocs/agents/diameter/mapping/identities.py",
    "ocs/agents/diameter/mapping/remembered.py",
    "ocs/agents/diameter/mapping/request.py",
    "ocs/agents/diameter/mapping/rules.py",
    "ocs/agents/diameter/mapping/units.py",
    "ocs/agents/diameter/peer.py",
    "ocs/agents/radius/accounting.py",
    "ocs/agents/radius/exchange.py",
    "ocs/agents/radius/mapping/access.py",
    "ocs/agents/radius/mapping/charging.py",
    "ocs/agents/radius/mapping/report.py",
    "ocs/agents/radius/mapping/session.py",
    "ocs/agents/radius/replies.py",
    "ocs/agents/radius/wire/packet.py",
    "ocs/charging/acting.py",
    "ocs/charging/cdr.py",
    "ocs/charging/correction.py",
    "ocs/charging/door.py",
    "ocs/charging/endings.py",
    "ocs/charging/engine.py",
    "ocs/charging/full_turn.py",
    "ocs/charging/ledger.py",
    "ocs/charging/memory.py",
    "ocs/charging/money.py",
    "ocs/charging/naming.py",
    "ocs/charging/pending.py",
    "ocs/charging/priced.py",
    "ocs/charging/quota.py",
    "ocs/charging/rating.py",
    "ocs/charging/service.py",
    "ocs/charging/session.py",
    "ocs/charging/spending.py",
    "ocs/charging/store/sqlite.py",
    "ocs/charging/supervision.py",
    "ocs/charging/tariff/catalogue.py",
    "ocs/charging/tariff/line.py",
    "ocs/charging/totals.py",
    "ocs/charging/turn.py",
    "ocs/charging/turns.py",
    "ocs/charging/wallet.py",
    "ocs/charging/working.py",
    "ocs/counts.py",
    "ocs/diameter/avp.py",
    "ocs/diameter/avps.py",
    "ocs/diameter/connection.py",
    "ocs/diameter/framing.py",
    "ocs/diameter/message.py",
    "ocs/diameter/outgoing.py",
)
COMPAT = (
    "ocs/cgrates/accounting.py",
    "ocs/cgrates/objects/given.py",
    "ocs/cgrates/state.py",
    "ocs/charging/cgrates/authorize.py",
    "ocs/charging/cgrates/cdr.py",
    "ocs/charging/cgrates/cost.py",
    "ocs/charging/cgrates/debit.py",
    "ocs/charging/cgrates/event_cost.py",
    "ocs/charging/cgrates/grid.py",
    "ocs/charging/cgrates/matching.py",
    "ocs/charging/cgrates/paid.py",
    "ocs/charging/cgrates/purse.py",
    "ocs/charging/cgrates/session.py",
    "ocs/charging/cgrates/spans.py",
    "ocs/charging/cgrates/timings.py",
    "ocs/charging/cgrates/usable.py",
    "ocs/charging/cgrates/usage.py",
    "ocs/charging/profiles/chargers.py",
    "ocs/charging/profiles/shelf.py",
    "ocs/rpc/capacity.py",
    "ocs/rpc/dispatch.py",
    "ocs/rpc/envelope.py",
    "ocs/rpc/later.py",
    "ocs/rpc/methods/cgrates/answering.py",
    "ocs/rpc/methods/cgrates/session_forms.py",
    "ocs/rpc/tcp.py",
    "ocs/sessions/identity.py",
    "ocs/sessions/pipeline.py",
    "ocs/sessions/service.py",
    "ocs/sessions/values.py",
)
ATTRIBUTES = Path(__file__).with_name("hatch_attributes.h")  # says what it is for
# Two libraries, so that two processors compile at the same time. Names that a module imports are looked up in its
# globals: the header has a way that remembers.
SETUP = """
import re
from pathlib import Path
from mypyc.build import mypycify
from setuptools import setup
modules = mypycify({arguments!r}, opt_level="3", debug_level="0", separate={groups!r})
LOOK_UP = re.compile(
    r"((\\w+) = CPyStatic_\\w+___globals;\\s+(\\w+) = CPyStatics\\[\\d+\\];[^;]*= )"
    r"CPyDict_GetItem(?=\\(\\2, \\3\\);)"
)
for module in modules:
    module.extra_compile_args = [*module.extra_compile_args, "-include", {header!r}]
    for source in map(Path, module.sources):
        source.write_text(LOOK_UP.sub(r"\\1OCS_GLOBAL", source.read_text("utf-8")), "utf-8")
setup(name="ocs", packages=[], ext_modules=modules)
"""


class CustomBuildHook(BuildHookInterface[Any]):
    """Compiles into a folder of its own and adds what came of it to the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before the files of a wheel are collected."""
        if version == "editable" or os.environ.get("OCS_COMPILE") != "1":
            return
        reason = _missing()
        if reason:
            self.app.display_warning(f"{reason}: the wheel stays plain Python, two to three times as slow")
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["force_include"].update(_compiled(Path(self.root)))

    def dependencies(self) -> list[str]:
        """What the build needs only when it compiles."""
        if os.environ.get("OCS_COMPILE") != "1":
            return []
        return ["mypy>=1.13", "setuptools>=77", "types-PyYAML>=6.0", "msgspec>=0.19", "structlog>=24.1"]


def _missing() -> str:
    if not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        return "no Python.h"
    return "" if shutil.which("gcc") or shutil.which("cc") else "no C compiler"


def _compiled(root: Path) -> dict[str, str]:
    """Compile a copy of the sources; each shared object with its place in the wheel.

    pip builds a wheel twice, the first time for its metadata: what was compiled from these very sources is used.
    """
    folder = root / "build" / f"compiled-{_digest(root)}"
    if not (folder / "done").exists():
        shutil.rmtree(folder.parent, ignore_errors=True)
        shutil.copytree(root / "ocs", folder / "ocs", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
        groups = [(list(EXACT), "ocs_exact"), (list(COMPAT), "ocs_compat")]
        # `make lint` checks types; here not every library is there, and what comes of one that is not is Any.
        lenient = ["--ignore-missing-imports", "--no-warn-return-any", "--allow-subclassing-any"]
        arguments = [*lenient, *EXACT, *COMPAT]
        script = SETUP.format(arguments=arguments, groups=groups, header=str(ATTRIBUTES))
        (folder / "setup.py").write_text(script, encoding="utf-8")
        command = [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace", "--parallel", "2"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"mypyc failed:\n{done.stdout}\n{done.stderr}")
        (folder / "done").touch()
    found = [*folder.glob("*.so"), *folder.glob("ocs/**/*.so")]
    return {str(file): str(file.relative_to(folder)) for file in found}


def _digest(root: Path) -> str:
    """What the result depends on: every source, this file, the interpreter."""
    digest = hashlib.sha256(sys.version.encode())
    for file in (Path(__file__), ATTRIBUTES, *sorted(root.glob("ocs/**/*.py"))):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
