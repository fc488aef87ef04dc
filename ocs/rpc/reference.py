"""The reference of methods over HTTP: the OpenRPC document, and a page to browse and to try them."""

from aiohttp import web

from ocs.rpc.envelope import encode
from ocs.rpc.pages import PAGES, files
from ocs.rpc.registry import Registry

DOCUMENT = "/openrpc.json"
REFERENCE = {
    "/api": ("reference.html", "text/html"),
    "/reference.js": ("reference.js", "text/javascript"),
    "/reference.css": ("reference.css", "text/css"),
}
SHARED = ("/style.css", "/icon.svg")


def routes(registry: Registry, is_alone: bool = False) -> list[web.RouteDef]:
    """The paths of the reference; `is_alone` where the live page does not bring the style."""

    async def document(request: web.Request) -> web.StreamResponse:
        return web.Response(body=encode(registry.describe()), content_type="application/json")

    shared = {path: PAGES[path] for path in SHARED} if is_alone else {}
    return [web.get(DOCUMENT, document), *files(REFERENCE | shared)]
