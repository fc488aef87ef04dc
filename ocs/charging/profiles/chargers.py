"""The runs of one event: every matching charger profile charges it once, with changes of its own. Pure."""

from collections.abc import Collection

import msgspec

from ocs.charging.profiles.attributes import AttributeShelf, Rewritten, is_inline
from ocs.charging.profiles.model import NONE, ChargerProfile, Run
from ocs.charging.profiles.shelf import Shelf
from ocs.charging.profiles.view import View

RUN_ID = "RunID"
CONTEXT = "*chargers"


def runs_of(
    chargers: Shelf[ChargerProfile], attributes: AttributeShelf, view: View, ids: Collection[str] = ()
) -> list[Run]:
    """The runs of an event in the order of their chargers' weights; none where no charger matches.

    Raises AttributeFailed where a run's attributes cannot be applied.
    """
    return [_run(profile, attributes, view) for profile in chargers.matching(view, ids)]


def _run(profile: ChargerProfile, attributes: AttributeShelf, view: View) -> Run:
    event = {**view.req, RUN_ID: profile.run_id}
    opts = {**view.opts, "*subsys": CONTEXT}
    run = Run(profile.id, profile.run_id, view.tenant, event, opts, altered=(f"*req.{RUN_ID}",))
    if profile.attribute_ids == (NONE,):
        return run
    own = view.of(event, opts, view.tenant)
    inline = [each for each in profile.attribute_ids if is_inline(each)]
    stored = [each for each in profile.attribute_ids if not is_inline(each)]
    if inline:
        rewritten = attributes.apply_inline(own, inline)
        if rewritten is not None:
            run = _rewritten(run, rewritten)
            own = view.of(run.event, run.opts, run.tenant)
    if stored or not inline:
        run = _rewritten(run, _stored(attributes, own, stored))
    return run


def _stored(attributes: AttributeShelf, own: View, ids: list[str]) -> Rewritten | None:
    context = own.opts.get("*context")
    opts = {**own.opts, "*attrProfileIDs": ids} if ids else own.opts
    return attributes.process(
        own.of(own.req, opts, own.tenant),
        context=context if isinstance(context, str) and context else CONTEXT,
    )


def _rewritten(run: Run, rewritten: Rewritten | None) -> Run:
    if rewritten is None:
        return run
    return msgspec.structs.replace(
        run,
        event=rewritten.event,
        opts=rewritten.opts,
        tenant=rewritten.tenant,
        attribute_ids=(*run.attribute_ids, *rewritten.matched),
        altered=(*run.altered, *rewritten.altered),
    )
