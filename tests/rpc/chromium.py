"""A headless Chromium driven over the DevTools protocol: evaluates script in a page, waits for what it shows."""

import asyncio
import base64
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

START_S = 60
WAIT_S = 20
LOOKS_S = 0.05  # between two looks at the page
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)


class Page:
    """A tab; `problems` are its exceptions and errors on the console."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.problems: list[str] = []
        self._socket = socket
        self._number = 0

    async def ask(self, method: str, **params: Any) -> Any:
        """Call a method of the protocol; events that come meanwhile are looked through for problems."""
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": params})
        while True:
            message = await self._socket.receive_json(timeout=WAIT_S)
            if message.get("id") == self._number:
                assert "error" not in message, message["error"]
                return message["result"]
            self._note(message)

    def _note(self, event: dict[str, Any]) -> None:
        match event.get("method"):
            case "Runtime.exceptionThrown":
                self.problems.append(str(event["params"]["exceptionDetails"]))
            case "Log.entryAdded" if event["params"]["entry"]["level"] == "error":
                self.problems.append(str(event["params"]["entry"]))

    async def evaluate(self, script: str) -> Any:
        """The value of an expression in the page."""
        answer = await self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def text(self, selector: str) -> str:
        """The text of an element; empty where it is not there."""
        return str(await self.evaluate(f"document.querySelector({selector!r})?.innerText ?? ''"))

    async def expect(self, selector: str, text: str) -> str:
        """Wait until an element contains a text; return all of its text."""
        found = ""
        try:
            async with asyncio.timeout(WAIT_S):
                while text not in (found := await self.text(selector)):  # noqa: ASYNC110 - another program
                    await asyncio.sleep(LOOKS_S)
        except TimeoutError:
            raise AssertionError(f"{selector} does not contain {text!r} but {found!r}") from None
        return found

    async def screenshot(self) -> bytes:
        """What the page looks like, all of it, as PNG."""
        answer = await self.ask("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(answer["data"])


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Page]:
    """A browser with one page."""
    program = shutil.which("chromium")
    assert program is not None, "Debian's package chromium is needed"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process = await asyncio.create_subprocess_exec(
            *(program, *FLAGS, f"--user-data-dir={folder}", "about:blank"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            port = await _port(Path(folder) / "DevToolsActivePort")
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                    tabs = await answer.json()
                address = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
                async with session.ws_connect(address, max_msg_size=0) as socket:
                    page = Page(socket)
                    for domain in ("Page", "Runtime", "Log"):
                        await page.ask(f"{domain}.enable")
                    await page.ask("Page.navigate", url=url)
                    yield page
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def _port(file: Path) -> int:
    """The port the browser chose, once it has said so."""
    async with asyncio.timeout(START_S):
        while not (said := await asyncio.to_thread(_read, file)):  # noqa: ASYNC110 - another program
            await asyncio.sleep(LOOKS_S)
    return int(said.splitlines()[0])


def _read(file: Path) -> str:
    return file.read_text() if file.exists() else ""
