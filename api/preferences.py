"""The preference centre and the confirmation of a consent: hosted pages behind a signed link.

The link is the capability: who has it may change these choices and nothing else, so there is no cookie to ride on and
no form can be forged without it. A form brings what it showed, and only what differs from that is changed: a page that
was open all day does not take back what was unsubscribed from meanwhile.
"""

from hashlib import sha256
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse, JSONResponse
from msgspec import structs
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response

from api.auth import Principal, require
from api.bodies import form_of, read_body
from api.consents import NEVER_GIVEN, Consents, grant, is_withdrawn, read_consents, said_by, withdraw
from api.context import Ctx
from api.hosted import button_form, group, hosted_page, paragraph, switch
from api.hosted_links import (
    AGES_DAYS,
    DAY_MS,
    FORM_MAX,
    HTML_PAGE,
    LATER,
    RETRY,
    HostedRoute,
    Token,
    asked_to_confirm,
    link_of,
    page_words,
    preferences_link,
    preferences_path,
    press,
    proof_of,
)
from api.hosted_words import consent_name
from api.masks import check_id
from api.pages import answers, instant
from api.persons import owner_of
from api.receipts import append_event, consent_key
from domain.entries import Event
from domain.errors import Busy

router = APIRouter(tags=["Links"])
pages = APIRouter(route_class=HostedRoute)

PlayersWriter = Annotated[Principal, Depends(require("players:write"))]
CONFIRM_WAIT_S = 5.0  # for the turn that says whether there was anything to confirm
_FORM: dict[str, Any] = {
    "requestBody": {
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "action": {"type": "string", "enum": ["save", "stop", "undo"]},
                        "on": {"type": "array", "items": {"type": "string"}},
                        "shown": {"type": "array", "items": {"type": "string"}},
                    },
                },
                "example": {"action": "save", "on": ["email", "promo"], "shown": ["email", "promo", "sms"]},
            }
        }
    }
}


class LinkBody(BaseModel):
    """Which link."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"kind": "preferences"}})

    kind: Literal["preferences"] = "preferences"


@router.post(
    "/v1/players/{id}/links",
    tags=["Players"],
    summary="A link to the player's preference centre",
    description="For a back end that shows it to the player, who is logged in there. The link needs no login: treat it "
    "as the player's own.",
    responses=answers(
        {"kind": "preferences", "path": "/preferences/...", "url": None, "expires_at": "2027-12-27T09:00:00.000Z"},
        401,
        403,
        422,
    ),
)
async def make_link(id: str, body: LinkBody, context: Ctx, _: PlayersWriter) -> JSONResponse:
    check_id(id, "id")
    now = context.clock.now_ms()
    path = preferences_path(context, await owner_of(context, id), now)
    public = context.settings.public_url.rstrip("/")
    expires_at = instant(now + AGES_DAYS[body.kind] * DAY_MS)
    answer = {"kind": body.kind, "path": path, "url": public + path if public else None, "expires_at": expires_at}
    return JSONResponse(answer, headers={"Cache-Control": "no-store"})


@pages.get(
    "/preferences/{token}",
    response_class=HTMLResponse,
    summary="The preference centre",
    description="A page, in the player's language, that shows what they receive and where.",
    responses={**HTML_PAGE, **LATER},
)
async def show_preferences(token: Token, request: Request, context: Ctx) -> Response:
    link = link_of(context, request, token, "preferences")
    held = await read_consents(context, link.player)
    words = await page_words(context, request, held.player)
    return _page(held, words)


@pages.post(
    "/preferences/{token}",
    response_class=HTMLResponse,
    summary="Change what the player receives",
    description="The form of the page. What is withdrawn is in force when this answers. `stop` withdraws everything "
    "that the page shows, `undo` gives it again.",
    openapi_extra=_FORM,
    responses={**HTML_PAGE, **RETRY},
)
async def save_preferences(token: Token, request: Request, context: Ctx) -> Response:
    link = link_of(context, request, token, "preferences")
    form = form_of(await read_body(request, FORM_MAX))
    press(context, token)
    held = await read_consents(context, link.player)
    words = await page_words(context, request, held.player)
    on, off = _changes(held, form)
    proof = proof_of(link)
    await withdraw(context, held.player, off, source="preference_centre", proof=proof)
    if any(key not in held.purposes for key in on):  # a channel's consent is one for all purposes: what is off stays so
        kept = [key for key in held.unsaid if key not in held.on and key not in on]
        await withdraw(context, held.player, kept, source="preference_centre", proof=proof + NEVER_GIVEN)
    await grant(context, held.player, on, source="preference_centre", proof=proof)
    asked = {key for key in on if held.needs_confirmation(key)}
    given = set(on) - asked
    held = structs.replace(
        held,
        on=(held.on | given) - set(off),
        withdrawn=(held.withdrawn | set(off)) - given,
        pending=(held.pending | asked) - set(off),
    )
    said = "stopped" if form.get("action") == ["stop"] else "saved" if given or off else "" if asked else "unchanged"
    told = [words[said]] if said else []
    return _page(held, words, said=" ".join([*told, asked_to_confirm(words, asked)] if asked else told))


@pages.get(
    "/confirm/{token}",
    response_class=HTMLResponse,
    summary="Ask whether the player really wants it",
    description="Changes nothing: programs follow links too.",
    responses={**HTML_PAGE, **LATER},
)
async def ask_confirm(token: Token, request: Request, context: Ctx) -> Response:
    link = link_of(context, request, token, "confirm")
    words = await page_words(context, request, await owner_of(context, link.player))
    ask = words["confirm_ask"].format(what=consent_name(words, link.target))
    body = (
        paragraph(ask) + button_form(words["confirm"], {"action": "confirm"}) + paragraph(words["not_you"], note=True)
    )
    return hosted_page(words, words["confirm_title"], body)


@pages.post(
    "/confirm/{token}",
    response_class=HTMLResponse,
    summary="Confirm a consent (double opt-in)",
    description="Again is harmless: it is noted once. Answers when the player's turn has taken it, and says so when "
    "nothing waits for a confirmation any more: it was withdrawn meanwhile.",
    responses={**HTML_PAGE, **RETRY},
)
async def confirm(token: Token, request: Request, context: Ctx) -> Response:
    link = link_of(context, request, token, "confirm")
    await read_body(request, FORM_MAX)
    press(context, token)
    player = await owner_of(context, link.player)
    words = await page_words(context, request, player)
    # The link's own time: pressed again, it meets the first in its dedupe bucket.
    at = link.issued_at or context.clock.now_ms()
    event_id = f"confirm:{sha256(token.encode()).hexdigest()[:32]}"
    said = {**consent_key(link.target), "source": "confirm_link", "proof": proof_of(link)}
    event = Event(
        player, event_id, "consent_confirmed", at, said, reply_to=context.replies.channel, source="link:confirm"
    )
    appended = await append_event(context, event)
    if await context.players.ref(player).applied(appended.offset, CONFIRM_WAIT_S) is None:
        raise Busy("the turn has not come yet; a retry is safe", retry_after_s=1)
    is_given = said_by(await context.players.ref(player).state())[0].get(link.target) is True
    is_given = is_given and not await is_withdrawn(context, player, link.target)
    told = words["confirmed" if is_given else "not_confirmed"].format(what=consent_name(words, link.target))
    return hosted_page(words, words["preferences"], preferences_link(context, words, link), said=told)


def _changes(held: Consents, form: dict[str, list[str]]) -> tuple[list[str], list[str]]:
    """Return what to give and what to withdraw; only keys of the page, and of a form only what it changed."""
    wanted, shown = set(form.get("on", ())), set(form.get("shown", ()))
    match form.get("action"):
        case ["stop"]:  # also what a form showed: it may have been given a moment ago, in a turn that is still to come
            return [], [key for key in held.keys if key in held.on or key in shown]
        case ["undo"]:  # what was given up, never what was not asked for
            return [key for key in held.keys if key in held.withdrawn], []
        case _:
            pass
    changed = [key for key in held.keys if (key in wanted) != (key in shown)]
    on = [key for key in changed if key in wanted and key not in held.on]
    return on, [key for key in changed if key not in wanted]


def _page(held: Consents, words: dict[str, str], *, said: str = "") -> Response:
    def switches(keys: tuple[str, ...]) -> list[str]:
        return [
            switch(
                key,
                consent_name(words, key),
                on=key in held.on,
                note=words["pending"] if key in held.pending else "",
            )
            for key in keys
        ]

    shown = "".join(f'<input type="hidden" name="shown" value="{key}">' for key in held.keys if key in held.on)
    form = (
        '<form method="post"><input type="hidden" name="action" value="save">'
        + shown
        + group(words["about"], switches(held.purposes))
        + group(words["where"], switches(held.channels))
        + group(words["by_product"], switches(held.by_product))
        + f'<button type="submit">{words["save"]}</button></form>'
    )
    if held.on:
        button = f'<button class="plain" type="submit">{words["stop_title"]}</button>'
        stopping = f'<form method="post"><input type="hidden" name="action" value="stop">{shown}{button}</form>'
        below = f"<section><h2>{words['stop_title']}</h2>{paragraph(words['stop_note'], note=True)}{stopping}</section>"
    else:
        said = said or words["stopped"]
        undo = button_form(words["undo"], {"action": "undo"}, plain=True) if held.withdrawn else ""
        below = f"<section>{undo}</section>" if undo else ""
    above = paragraph(words["excluded"]) if held.is_excluded else paragraph(words["intro"])
    return hosted_page(words, words["preferences"], above + form + below, said=said)


router.include_router(pages)
