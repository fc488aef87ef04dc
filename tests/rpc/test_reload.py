"""`OcsV1.Reload`: what has changed, what is wrong."""

from pathlib import Path

from ocs import config
from ocs.config.settings import Settings
from ocs.reload import Reloader
from tests.rpc.world import World, in_world


@in_world
async def test_reload_says_what_has_changed_and_what_is_wrong(world: World, tmp_path: Path) -> None:
    text = "identity: {origin_host: ocs.example.org, origin_realm: example.org}\nlog: {level: info}\n"
    file = tmp_path / "ocs.yaml"
    file.write_text(text, encoding="utf-8")
    seen: list[Settings] = []
    world.server.context.reloader = Reloader(file, config.load(file), (seen.append,))
    file.write_text(text.replace("info", "debug"), encoding="utf-8")
    dry = await world.call("Reload", dry_run=True)
    assert (dry["changed"], dry["is_dry_run"], seen) == (["log.level"], True, [])
    assert (await world.call("Reload"))["changed"] == ["log.level"]
    assert [settings.log.level for settings in seen] == ["debug"]
    file.write_text(text.replace("log:", "lag:"), encoding="utf-8")
    assert 'ocs.yaml:2:1: lag: unknown key - did you mean "log"?' in await world.fail("Reload")
