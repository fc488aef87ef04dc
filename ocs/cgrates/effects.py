"""Actions that reach outside their account: filtered, and carried out as far as this server does.

They are carried out when the step that ran them is in memory; posts leave in tasks of their own, with a time-out,
and are not repeated. What is not done here is said once per action set, as a warning.
"""

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from ocs.cgrates.kinds import Kind
from ocs.cgrates.objects.accounts import account_view
from ocs.charging.cgrates.account import Account
from ocs.charging.cgrates.actions_model import Action
from ocs.charging.cgrates.effects import Effect, Reach, describe
from ocs.charging.cgrates.grid import NANOS
from ocs.charging.profiles.filters import passes
from ocs.charging.profiles.view import View
from ocs.lazily import lazily
from ocs.rpc.errors import RpcError
from ocs.sessions.model import Cdr, CgrEvent

if TYPE_CHECKING:
    import aiohttp
else:
    aiohttp = lazily("aiohttp")

if TYPE_CHECKING:
    from ocs.cgrates.runtime import Runtime

log = structlog.get_logger()

POST_TIMEOUT_S = 10.0
POST_PAUSE_S = 1.0  # before the second attempt
POSTS_AT_ONCE = 200


class Effects:
    """One per server."""

    def __init__(self, runtime: "Runtime") -> None:
        self._runtime = runtime
        self._posts = 0

    def passes(self, action: Action, account: Account) -> bool:
        """Whether an action's filters, which look at the account, let it run; one that is wrong does not."""
        if not action.filters:
            return True
        tenant = account.account_id.partition(":")[0]
        view = View(account_view(account), tenant=tenant, now_ns=self._runtime.wall_ns())
        try:
            return passes(self._runtime.state.book.filters.rules(tenant, action.filters), view)
        except ValueError as error:
            log.warning("actions.filter_wrong", actions=action.tag, error=str(error))
            return False

    def carry_out(self, account_id: str, before: Account, effects: tuple[Action, ...]) -> None:
        """Does what the actions of an account ask for; `before` is the account they ran on."""
        account = self._runtime.state.accounts.get(account_id, before)
        for action in effects:
            moves = self._runtime.state.tables[Kind.ACTIONS].get(action.tag, ())
            try:
                self._do(describe(action, account, moves), account)
            except ValueError as error:
                log.warning("actions.not_understood", actions=action.tag, kind=action.kind, error=str(error))

    def _do(self, effect: Effect, account: Account) -> None:
        match effect.reach:
            case Reach.LOG:
                log.info("actions.logged", actions=effect.action.tag, account=account.account_id)
            case Reach.CDR:
                self._write_cdrs(effect, account)
            case Reach.HTTP:
                self._post(effect, account)
            case Reach.PUBLISH:
                pass  # thresholds and statistics hear of every change of an account anyway
            case Reach.RPC:
                self._call_named(effect)
            case Reach.ALTER_SESSIONS:
                self._about_sessions("SessionSv1.AlterSessions", effect)
            case Reach.DISCONNECT_SESSIONS:
                self._about_sessions("SessionSv1.ForceDisconnect", effect)
            case Reach.THRESHOLD:
                self._reset("ThresholdSv1.ResetThreshold", effect, account)
            case Reach.STAT_QUEUE:
                self._reset("StatSv1.ResetStatQueue", effect, account)
            case Reach.EXPORT:
                tenant = account.account_id.partition(":")[0]
                event = CgrEvent(tenant, account_view(account), event_id=self._runtime.new_id())
                self._runtime.exchange.put(event, effect.targets)
            case (
                Reach.MAIL
                | Reach.SESSION_COSTS
                | Reach.ACCOUNT_CDRS
                | Reach.REMOTE_ACCOUNT
                | Reach.DESTINATION
                | Reach.PROFILE
            ):
                log.warning("actions.left_undone", actions=effect.action.tag, kind=effect.action.kind)

    def _write_cdrs(self, effect: Effect, account: Account) -> None:
        """One record per move of money or units, of source `*cdrlog`."""
        now_ns = self._runtime.wall_ns()
        fields: dict[str, Any] = dict(effect.fields)
        for move in fields.pop("Moves"):
            cgrid = self._runtime.new_id()
            extra = {"BalanceID": move["BalanceID"]} if move["BalanceID"] else {}
            record = Cdr(
                cgrid=cgrid,
                run_id=str(move["RunID"]),
                order_id=self._runtime.cdrs.next_order(),
                origin_host=str(fields["OriginHost"]),
                source=str(fields["Source"]),
                origin_id=str(fields.get("OriginID") or cgrid),
                tor=str(fields.get("ToR") or move["ToR"]),
                request_type=str(fields["RequestType"]),
                tenant=str(fields["Tenant"]),
                category=str(fields.get("Category", "")),
                account=str(fields["Account"]),
                subject=str(fields["Subject"]),
                destination=str(fields.get("Destination", "")),
                setup=(now_ns, 0),
                answer=(now_ns, 0),
                usage=1,
                extra_fields=extra,
                cost_nanos=round(float(fields.get("Cost", move["Cost"])) * NANOS),
                cost_source=str(fields["Source"]),
                created_ns=now_ns,
                updated_ns=now_ns,
            )
            self._runtime.state.put_cdr(record)

    def _post(self, effect: Effect, account: Account) -> None:
        if self._posts >= POSTS_AT_ONCE:
            log.warning("actions.post_dropped", actions=effect.action.tag, reason="too many at once")
            return
        body = msgspec.json.encode(account_view(account))
        self._posts += 1
        self._runtime.in_background("post", self._posted(effect.targets[0], body))

    async def _posted(self, url: str, body: bytes) -> None:
        """Posts as often as `general.poster_attempts` says, with longer and longer pauses between."""
        attempts = max(self._runtime.settings.general.poster_attempts, 1)
        pauses = (POST_PAUSE_S, POST_PAUSE_S)
        try:
            for number in range(1, attempts + 1):
                if await _post(url, body, is_last=number == attempts):
                    return
                if number < attempts:
                    await asyncio.sleep(pauses[0])
                pauses = (pauses[1], sum(pauses))
        finally:
            self._posts -= 1

    def _call(self, method: str, params: dict[str, Any]) -> None:
        """Calls a method of this server behind the present step; what it says is logged where it is an error."""
        self._runtime.in_background(method, self._called(method, params))

    async def _called(self, method: str, params: dict[str, Any]) -> None:
        try:
            await self._runtime.call(method, params)
        except RpcError as error:
            log.warning("actions.call_failed", method=method, error=error.text)

    def _about_sessions(self, method: str, effect: Effect) -> None:
        """Sessions that filters find; members of lists and objects stand between `&`."""
        fields = effect.fields
        params: dict[str, Any] = {
            "Tenant": fields["Tenant"],
            "Filters": [one for one in str(fields["Filters"]).split("&") if one],
            "APIOpts": _pairs(fields["APIOpts"]),
            "Event": _pairs(fields["Event"]),
        }
        if fields["Limit"]:
            params["Limit"] = fields["Limit"]
        self._call(method, params)

    def _reset(self, method: str, effect: Effect, account: Account) -> None:
        for target in effect.targets:
            tenant, colon, name = target.rpartition(":")
            self._call(
                method, {"Tenant": tenant if colon else account.account_id.partition(":")[0], "ID": name}
            )

    def _call_named(self, effect: Effect) -> None:
        """Calls a method of this server; other servers are not called."""
        if effect.targets[0] not in ("*internal", "*localhost"):
            log.warning("actions.left_undone", actions=effect.action.tag, kind=effect.action.kind)
            return
        self._call(effect.fields["Method"], effect.fields["Params"])


def _pairs(text: object) -> dict[str, str]:
    """`a:1&b:2` as members."""
    parts = [part.partition(":") for part in str(text).split("&") if part]
    return {name: value for name, _, value in parts}


async def _post(url: str, body: bytes, *, is_last: bool) -> bool:
    """Whether a post has arrived."""
    try:
        headers = {"Content-Type": "application/json"}
        async with (
            asyncio.timeout(POST_TIMEOUT_S),
            aiohttp.ClientSession() as session,
            session.post(url, data=body, headers=headers) as answer,
        ):
            log.info("actions.posted", status=answer.status)
            return answer.status < 300
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        log.warning("actions.post_failed", error=str(error) or type(error).__name__, is_last=is_last)
        return False
