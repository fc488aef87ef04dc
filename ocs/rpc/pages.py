"""Files of the folder `web` as routes; they are read once."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

WEB = Path(__file__).parent / "web"
PAGES = {
    "/": ("index.html", "text/html"),
    "/app.js": ("app.js", "text/javascript"),
    "/style.css": ("style.css", "text/css"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}


def files(named: dict[str, tuple[str, str]]) -> list[web.RouteDef]:
    """Routes of files: path to name and content type."""
    return [web.get(path, _static((WEB / name).read_bytes(), kind)) for path, (name, kind) in named.items()]


def _static(body: bytes, content_type: str) -> Handler:
    async def show(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type=content_type, charset="utf-8")

    return show
