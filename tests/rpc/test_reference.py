"""The reference page in a real browser: every method is there, and can be called."""

import re

import pytest

from ocs.rpc.methods import REGISTRY
from ocs.rpc.methods.cgrates import CGRATES
from ocs.rpc.registry import Registry
from tests.rpc import chromium
from tests.rpc.world import MSISDN, World, browser, in_world


@pytest.mark.parametrize("registry", [REGISTRY, CGRATES], ids=["ocs", "cgrates"])
def test_document_has_every_method_once_and_every_schema_it_names(registry: Registry) -> None:
    document = registry.describe()
    methods, components = document["methods"], document["components"]
    assert isinstance(methods, list)
    assert isinstance(components, dict)
    assert [method["name"] for method in methods] == [method.name for method in registry]
    assert all(method["summary"] and method["x-role"] for method in methods)
    named = set(re.findall(r"#/components/schemas/([\w.]+)", str(document)))
    assert named <= set(components["schemas"])


@in_world
async def test_document_is_served_and_discovered(world: World) -> None:
    async with browser(world) as http:
        async with http.get("/openrpc.json") as answer:
            served = await answer.json()
        request = {"jsonrpc": "2.0", "method": "rpc.discover", "id": 1}
        async with http.post("/jsonrpc", json=request) as answer:
            assert (await answer.json())["result"] == served
    assert served["openrpc"].startswith("1.")


@pytest.mark.parametrize("path", ["/api", "/reference.js", "/reference.css"])
@in_world
async def test_page_needs_nothing_from_elsewhere(world: World, path: str) -> None:
    async with browser(world) as http, http.get(path) as answer:
        assert answer.status == 200
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        text = await answer.text()
    for forbidden in (
        "http://",
        "https://",
        "//cdn",
        "innerHTML",
        "eval(",
        " style=",
        " onclick=",
        "<script>",
    ):
        assert forbidden not in text


@pytest.mark.peer
@in_world
async def test_method_is_found_read_about_and_called(world: World) -> None:
    async with chromium.opened(f"{world.url}/api") as page:
        await page.expect("#count", f"{len(REGISTRY)} of {len(REGISTRY)} methods")
        await page.evaluate(
            "document.querySelector('#find').value = 'accountshow';"
            "document.querySelector('#find').dispatchEvent(new Event('input'))"
        )
        await page.expect("#count", "1 of ")
        await page.evaluate("document.querySelector('#list a').click()")
        shown = await page.expect("#method", "OcsV1.AccountShow")
        assert "must be given" in shown
        assert "read" in shown
        assert '"account": ""' in await page.evaluate("document.querySelector('#params').value")
        await page.evaluate(
            f"document.querySelector('#params').value = '{{\"account\": \"{MSISDN}\"}}';"
            "document.querySelector('#method form').requestSubmit()"
        )
        assert '"available_nanos": 10000000000' in await page.expect("#output", "default:1001")
        await page.evaluate(
            "document.querySelector('#params').value = '{\"account\": \"<img src=x>\"}';"
            "document.querySelector('#method form').requestSubmit()"
        )
        await page.expect("#output", "no account <img src=x>")
        assert await page.evaluate("document.images.length") == 0
        await page.evaluate(
            "document.querySelector('#params').value = '{';"
            "document.querySelector('#method form').requestSubmit()"
        )
        await page.expect("#output", "parameters: ")
        assert page.problems == []
