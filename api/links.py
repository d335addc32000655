"""What a message's links do: count a click and go on, count an open, unsubscribe in one click (RFC 8058).

Their tokens are signed (``domain.links``) and nothing is stored for them. A link only ever does what its token says:
it redirects to the signed target and nowhere else. Programs that look at links before people do count for nothing, and
no GET changes anything: scanners of mail follow every link they see.
"""

import re
from base64 import b64decode

from fastapi import APIRouter
from msgspec import structs
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api.bodies import form_of, read_body
from api.consents import grant, is_withdrawn, read_consents, withdraw
from api.context import Context, Ctx
from api.hosted import button_form, hosted_page, paragraph
from api.hosted_links import (
    DAY_MS,
    FORM_MAX,
    HTML_PAGE,
    LATER,
    RETRY,
    BadLink,
    HostedRoute,
    Token,
    asked_to_confirm,
    digest,
    link_of,
    page_words,
    preferences_link,
    press,
    proof_of,
    sorry,
)
from api.hosted_words import consent_name
from api.pace import Pace
from api.persons import owner_of
from api.receipts import MINUTE_MS, append_event, link_receipt
from domain.errors import Busy, StoreDown
from domain.links import Link

router = APIRouter(tags=["Links"], route_class=HostedRoute)

CLICKS_PER_MINUTE = 60  # of one link, counted; more are still redirected
NOT_COUNTED = re.compile(
    r"bot\b|crawler|spider|preview|facebookexternalhit|whatsapp/|bitlybot|barracuda|mimecast|proofpoint|safelinks|"
    r"python-requests|curl/|wget/|headlesschrome|scanner",
    re.IGNORECASE,
)
GIF = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==")
_TARGET = re.compile(r"https?://[^\s\x00-\x1f\x7f\\]+", re.IGNORECASE)
NO_STORE = {"Cache-Control": "no-store, no-cache, must-revalidate, private", "Referrer-Policy": "no-referrer"}


def counts_for(request: Request) -> bool:
    """Tell whether a person has opened it, as far as a request tells: not a program that looks first."""
    if request.method == "HEAD":
        return False
    headers = request.headers
    ahead = " ".join(headers.get(name, "") for name in ("purpose", "sec-purpose", "x-purpose", "x-moz"))
    if "prefetch" in ahead or "preview" in ahead or "prerender" in ahead:
        return False
    return not NOT_COUNTED.search(headers.get("user-agent", "")[:1_000])


@router.head("/r/{token}", include_in_schema=False)
@router.get(
    "/r/{token}",
    status_code=302,
    response_class=RedirectResponse,
    summary="Follow a link of a message",
    description="Redirects to the target that the token signs, http(s) only, and counts a click, once a minute for "
    "each link of a message. HEAD and known prefetchers are redirected without being counted.",
    responses={302: {"description": "To the signed target"}, 404: HTML_PAGE[404], 410: HTML_PAGE[410]},
)
async def follow(token: Token, request: Request, context: Ctx) -> Response:
    link = link_of(context, request, token, "click")
    if not _TARGET.fullmatch(link.target):
        return sorry(request, "bad", 404)
    if counts_for(request):
        await _count(context, link, "clicked", token, once_per_ms=MINUTE_MS, nonce=digest(link.target))
    return RedirectResponse(link.target, status_code=302, headers=NO_STORE)


@router.head("/o/{token}.gif", include_in_schema=False)
@router.get(
    "/o/{token}.gif",
    response_class=Response,
    summary="The picture that tells that a message was opened",
    description="Counted once a minute for each message.",
    responses={200: {"description": "A transparent picture of 43 bytes", "content": {"image/gif": {}}}},
)
async def opened(token: Token, request: Request, context: Ctx) -> Response:
    try:
        link = link_of(context, request, token, "open")
    except BadLink as bad:
        return Response(GIF, bad.page.status_code, NO_STORE, "image/gif")
    if counts_for(request):
        await _count(context, link, "opened", token, once_per_ms=MINUTE_MS)
    return Response(GIF, 200, NO_STORE, "image/gif")


@router.get(
    "/u/{token}",
    response_class=HTMLResponse,
    summary="Ask whether to unsubscribe",
    description="Changes nothing: programs follow links too. The page has a button that posts to the same address.",
    responses={**HTML_PAGE, **LATER},
)
async def ask_unsubscribe(token: Token, request: Request, context: Ctx) -> Response:
    link = link_of(context, request, token, "unsubscribe")
    player, key = await owner_of(context, link.player), _key(link)
    words = await page_words(context, request, player)
    if await is_withdrawn(context, player, key):
        return _unsubscribed(context, words, link, key)
    ask = words["unsubscribe_ask"].format(what=consent_name(words, key))
    button = button_form(words["unsubscribe"], {"List-Unsubscribe": "One-Click"})
    return hosted_page(words, words["unsubscribe_title"], paragraph(ask) + button)


@router.post(
    "/u/{token}",
    response_class=HTMLResponse,
    summary="Unsubscribe in one click (RFC 8058)",
    description="What `List-Unsubscribe-Post` of a message asks for: no cookie, no login, any content type. In force "
    "when it answers 200: nothing that needs this consent is sent any more, not even what is cleared already. "
    "With `action=undo` the consent is given again.",
    openapi_extra={
        "requestBody": {
            "content": {
                "application/x-www-form-urlencoded": {
                    "schema": {"type": "object", "properties": {"List-Unsubscribe": {"type": "string"}}},
                    "example": {"List-Unsubscribe": "One-Click"},
                }
            }
        }
    },
    responses={**HTML_PAGE, **RETRY},
)
async def unsubscribe(token: Token, request: Request, context: Ctx) -> Response:
    link = link_of(context, request, token, "unsubscribe")
    form = form_of(await read_body(request, FORM_MAX))
    press(context, token)
    player, key = await owner_of(context, link.player), _key(link)
    words = await page_words(context, request, player)
    if form.get("action") == ["undo"]:
        said = words["unchanged"]
        if await is_withdrawn(context, player, key):  # what was never given up is not given back
            held = await read_consents(context, player)
            await grant(context, player, [key], source="one_click", proof=proof_of(link))
            said = words["undone"].format(what=consent_name(words, key))
            said = asked_to_confirm(words, [key]) if held.needs_confirmation(key) else said
        return hosted_page(words, words["preferences"], preferences_link(context, words, link), said=said)
    await withdraw(context, player, [key], source="one_click", proof=proof_of(link))
    context.counts["unsubscribed"] += 1
    if link.request:
        await _count(context, structs.replace(link, player=player), "unsubscribed", token, once_per_ms=DAY_MS)
    return _unsubscribed(context, words, link, key)


def _unsubscribed(context: Context, words: dict[str, str], link: Link, key: str) -> Response:
    said = words["unsubscribed"].format(what=consent_name(words, key))
    undo = button_form(words["undo"], {"action": "undo"}, plain=True)
    return hosted_page(words, words["unsubscribe_title"], undo + preferences_link(context, words, link), said=said)


def _key(link: Link) -> str:
    return link.target or link.purpose or link.channel


async def _count(
    context: Context, link: Link, outcome: str, token: str, *, once_per_ms: int = 0, nonce: str = ""
) -> None:
    """Append a receipt. Whoever opened the link is not kept from going on: what cannot be appended is counted lost."""
    now = context.clock.now_ms()
    if _clicks.take(f"{outcome}:{digest(token)}", now):
        context.counts[f"{outcome}_not_counted"] += 1
        return
    try:
        await append_event(context, link_receipt(link, outcome, now, once_per_ms=once_per_ms, nonce=nonce))
    except (Busy, StoreDown):
        context.counts[f"{outcome}_lost"] += 1
    else:
        context.counts[f"links_{outcome}"] += 1


_clicks = Pace(CLICKS_PER_MINUTE)
