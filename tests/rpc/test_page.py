"""The live page in a real browser: what a newcomer sees moves, and a top-up by hand works."""

import pytest

from tests.rpc import chromium
from tests.rpc.world import MSISDN, World, in_world


async def charge(world: World, event: int, used: str = "1KiB") -> None:
    """A little more of the session."""
    update = {"kind": "UPDATE", "session": "smf;1", "event": event, "service": "data", "rating_group": 10}
    await world.call("Charge", **update, used=used, requested="1MiB")


@pytest.mark.peer
@in_world
async def test_page_shows_sessions_balances_and_rejections_as_they_move(world: World) -> None:
    initial = {"kind": "INITIAL", "service": "data", "rating_group": 10, "requested": "1MiB"}
    async with chromium.opened(f"{world.url}/") as page:
        await page.expect("#link", "live")
        await page.expect("#session-list", "no session fits")
        await world.call("Charge", **initial, session="smf;1", subscriber=MSISDN, apn="internet")
        await world.call("Charge", **initial, session="smf;2", subscriber="15550199999")
        assert "1001" in await page.expect("#session-list", "smf;1")
        rejection = await page.expect("#rejection-list", "unknown subscriber")
        assert "smf;2" in rejection
        assert "********999" in rejection
        assert "15550199999" not in rejection
        await page.expect("#results", "success")
        await page.expect("#answer-list", "smf;1")
        await charge(world, 1)
        await page.expect("#session-list", "0.001")
        moved = await page.expect("#change-list", "debit")
        assert "1001" in moved
        assert "0.001" in moved
        assert "smf.example.org" in await page.text("#peer-list")
        assert '- {origin_host: "pgw.example.net", addresses: ["10.0.0.9"]}' in await page.text(
            "#refused-list"
        )
        assert await page.evaluate("document.querySelector('#tiles').innerText.includes('requests / s')")
        assert page.problems == []


@pytest.mark.peer
@in_world
async def test_account_is_looked_up_and_topped_up_by_hand(world: World) -> None:
    async with chromium.opened(f"{world.url}/#account={MSISDN}") as page:
        assert "10.00" in await page.expect("#account-view", "1001")
        await page.evaluate(
            "document.querySelector('#account-view input[name=amount]').value = '4000000000.000000001';"
            "document.querySelector('#account-view form').requestSubmit();"
            "document.querySelector('#account-view form').requestSubmit();"
        )
        shown = await page.expect("#account-view", "added")
        assert "4\u202f000\u202f000\u202f010.000000001" in shown
        initial = {"kind": "INITIAL", "session": "smf;1", "service": "data", "rating_group": 10}
        await world.call("Charge", **initial, requested="1MiB", subscriber=MSISDN)
        assert "smf;1" in await page.expect("#account-view", "4\u202f000\u202f000\u202f008.976000001")
        assert page.problems == []
    account = await world.call("AccountShow", account=MSISDN)
    assert account["available_nanos"] == 4_000_000_008_976_000_001


@pytest.mark.peer
@in_world
async def test_foreign_text_stays_text(world: World) -> None:
    evil = "<img src=x onerror=alert(1)>"
    initial = {"kind": "INITIAL", "session": evil, "service": "data", "rating_group": 10, "requested": "1KiB"}
    await world.call("Charge", **initial, subscriber=MSISDN, apn=evil)
    await world.call("Charge", **initial | {"subscriber": "0", "called": evil})
    async with chromium.opened(f"{world.url}/#session=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E") as page:
        await page.expect("#session-list", evil)
        await page.expect("#session-view", evil)
        await page.expect("#rejection-list", "contradiction")
        assert await page.evaluate("document.images.length") == 0
        assert page.problems == []
