"""freeDiameter's dictionaries and grammar as a judge of messages, with a small extension built on the spot.

Open5GS is built on freeDiameter: an answer that fails here is an answer its SMF throws away.
"""

import subprocess
from collections.abc import Iterable
from pathlib import Path

from ocs.diameter.describe import describe
from ocs.diameter.dictionary import standard
from ocs.diameter.message import Message
from tests.interop.programs import filled
from tests.support.waiting import PATIENCE_S

HERE = Path(__file__).parent / "freediameter"
LIBRARIES = ("-lfdcore", "-lfdproto", "-lpthread")


def make_certificate(folder: Path, name: str) -> None:
    """A certificate of its own for a daemon that does not start without."""
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")]
    key = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subprocess.run(
        [*key, *files, "-days", "2", "-subj", f"/CN={name}"],
        check=True,
        capture_output=True,
        timeout=PATIENCE_S,
    )


def judged(frames: Iterable[bytes], folder: Path) -> list[str]:
    """What freeDiameter has against messages, each complaint with the message it is about."""
    work = folder / "judge"
    work.mkdir(exist_ok=True)
    if not (work / "certificate.pem").exists():
        make_certificate(work, "judge.test.invalid")
        source = ["-o", str(work / "judge.fdx"), str(HERE / "judge.c")]
        flags = ["-shared", "-fPIC", "-O1", "-Wall", "-Werror"]
        subprocess.run(["gcc", *flags, *source, *LIBRARIES], check=True, timeout=PATIENCE_S)
    return _complaints(list(frames), work)


def _complaints(frames: list[bytes], work: Path) -> list[str]:
    messages, verdicts = work / "messages", work / "verdicts"
    messages.write_text("".join(frame.hex() + "\n" for frame in frames))
    verdicts.unlink(missing_ok=True)
    config = work / "judge.conf"
    config.write_text(filled(HERE / "judge.conf", folder=work, messages=messages, verdicts=verdicts))
    command = ["freeDiameterd", "-c", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = verdicts.read_text().splitlines()
    assert len(lines) == len(frames), "there is a verdict on every message"
    return [
        f"{line}\n{describe(Message.decode(frame), standard())}"
        for frame, line in zip(frames, lines, strict=True)
        if line != "ok"
    ]
