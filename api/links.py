"""What a message's links do: count a click and go on, count an open, unsubscribe in one click (RFC 8058).

Their tokens are signed (``domain.links``) and nothing is stored for them. A link only ever does what its token says:
it redirects to the signed target and nowhere else. Programs that look at links before people do count for nothing, and
no GET changes anything: scanners of mail follow every link they see.
"""

import re
from base64 import b64decode
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Annotated, Any

from fastapi import APIRouter, Path
from msgspec import structs
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api.bodies import form_of, read_body
from api.consents import grant, is_withdrawn, read_consents, withdraw
from api.context import Context, Ctx
from api.hosted import button_form, hosted_page, paragraph
from api.hosted_words import VERSION, accepted_language, consent_name, words_of
from api.pace import Pace
from api.pages import instant
from api.persons import owner_of
from api.receipts import MINUTE_MS, append_event, link_receipt
from domain.errors import Busy, StoreDown
from domain.links import TOKEN_MAX, Link, LinkKind, read, sign
from store.ports import Unavailable

router = APIRouter(tags=["Links"])

DAY_MS = 86_400_000
AGES_DAYS: dict[LinkKind, int] = {"click": 800, "open": 800, "unsubscribe": 3_660, "preferences": 400, "confirm": 30}
"""How long a link works. One that unsubscribes works as long as anybody may still have the message."""
FORM_MAX = 16 * 1024  # bytes
CLICKS_PER_MINUTE = 60  # of one link, counted; more are still redirected
PRESSES_PER_MINUTE = 30  # of one link that changes something
NOT_COUNTED = re.compile(
    r"bot\b|crawler|spider|preview|facebookexternalhit|whatsapp/|bitlybot|barracuda|mimecast|proofpoint|safelinks|"
    r"python-requests|curl/|wget/|headlesschrome|scanner",
    re.IGNORECASE,
)
GIF = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==")
_TARGET = re.compile(r"https?://[^\s\x00-\x1f\x7f\\]+", re.IGNORECASE)
NO_STORE = {"Cache-Control": "no-store, no-cache, must-revalidate, private", "Referrer-Policy": "no-referrer"}

Token = Annotated[str, Path(max_length=TOKEN_MAX, description="Signed by the engine; not made by callers.")]
HTML_PAGE: dict[int | str, dict[str, Any]] = {
    200: {"description": "A page", "content": {"text/html": {"example": "<!doctype html>..."}}},
    404: {"description": "A page that says that the link is none of ours"},
    410: {"description": "A page that says that the link is too old"},
}
LATER: dict[int | str, dict[str, Any]] = {
    503: {"description": "The store does not answer; a page, with `Retry-After`. Asking again is safe."},
}
RETRY: dict[int | str, dict[str, Any]] = {
    **LATER,
    413: {"description": "The form is too long; a problem document"},
    429: {"description": "Too often; a page, with `Retry-After`"},
}


class BadLink(Exception):
    """A token that does nothing; ``page`` says so to whoever opened it."""

    def __init__(self, page: Response) -> None:
        super().__init__("a link that does not work")
        self.page = page


def link_of(context: Context, request: Request, token: str, kind: LinkKind) -> Link:
    """Return the link of a token of this kind.

    Raises:
        BadLink: it is none of ours, of another kind, or too old.
    """
    link = read(context.settings.token_secret, token, kind)
    if link is None:
        context.counts["links_bad"] += 1
        raise BadLink(_sorry(request, "bad", 404))
    if link.issued_at and context.clock.now_ms() - link.issued_at > AGES_DAYS[kind] * DAY_MS:
        context.counts["links_expired"] += 1
        raise BadLink(_sorry(request, "expired", 410))
    return link


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
    try:
        link = link_of(context, request, token, "click")
    except BadLink as bad:
        return bad.page
    if not _TARGET.fullmatch(link.target):
        return _sorry(request, "bad", 404)
    if counts_for(request):
        await _count(context, link, "clicked", token, once_per_ms=MINUTE_MS, nonce=_digest(link.target))
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
    try:
        link = link_of(context, request, token, "unsubscribe")
        player, key = await owner_of(context, link.player), _key(link)
        words = await page_words(context, request, player)
        if await is_withdrawn(context, player, key):
            return _unsubscribed(context, words, link, key)
    except BadLink as bad:
        return bad.page
    except (Unavailable, RedisError, OSError) as error:
        return sorry_later(request, error)
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
    try:
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
    except BadLink as bad:
        return bad.page
    except (Busy, StoreDown, Unavailable, RedisError, OSError) as error:
        return sorry_later(request, error)
    return _unsubscribed(context, words, link, key)


def press(context: Context, token: str) -> None:
    """Let a link that changes something be pressed, not too often.

    Raises:
        Busy: it was pressed too often.
    """
    if wait_s := _presses.take(_digest(token), context.clock.now_ms()):
        raise Busy("this link was used too often", retry_after_s=wait_s)


async def page_words(context: Context, request: Request, player: str) -> dict[str, str]:
    """Return the words of a page: in the player's language, else the browser's, else the programme's."""
    profile = (await context.players.ref(player).state()).profile
    home = context.programme.documents.get("settings", {}).get("main", {}).get("locale", "en")
    return dict(words_of(profile.locale or accepted_language(request.headers.get("accept-language")) or home))


def asked_to_confirm(words: Mapping[str, str], keys: Iterable[str]) -> str:
    """Return what is said of consents that count once they are confirmed."""
    return words["confirm_sent"].format(what=", ".join(consent_name(words, key) for key in sorted(keys)))


def proof_of(link: Link) -> str:
    """Return what shows a consent that was changed by a link: the wording, the message and when the link was made."""
    parts = [f"wording {VERSION}", f"link of {instant(link.issued_at) or 'unknown time'}"]
    return "; ".join([*parts, f"message {link.request}"] if link.request else parts)


def sorry_later(request: Request, error: Exception) -> Response:
    """Return the page of a failure that passes."""
    status = error.status if isinstance(error, Busy) else 503
    page = _sorry(request, "busy", status)
    page.headers["Retry-After"] = str(getattr(error, "retry_after_s", None) or 1)
    return page


def preferences_path(context: Context, player: str, at: int, **of: str) -> str:
    """Return the path of a player's preference centre."""
    return "/preferences/" + sign(context.settings.token_secret, Link("preferences", player, issued_at=at, **of))


def _unsubscribed(context: Context, words: dict[str, str], link: Link, key: str) -> Response:
    said = words["unsubscribed"].format(what=consent_name(words, key))
    undo = button_form(words["undo"], {"action": "undo"}, plain=True)
    return hosted_page(words, words["unsubscribe_title"], undo + preferences_link(context, words, link), said=said)


def preferences_link(context: Context, words: dict[str, str], link: Link) -> str:
    """Return a paragraph that leads to the preference centre."""
    path = preferences_path(context, link.player, context.clock.now_ms(), request=link.request)
    return f'<p><a href="{path}">{words["preferences"]}</a></p>'


def _key(link: Link) -> str:
    return link.target or link.purpose or link.channel


def _sorry(request: Request, what: str, status: int) -> Response:
    words = words_of(accepted_language(request.headers.get("accept-language")))
    return hosted_page(words, words[f"{what}_title"], paragraph(words[what]), status=status)


async def _count(
    context: Context, link: Link, outcome: str, token: str, *, once_per_ms: int = 0, nonce: str = ""
) -> None:
    """Append a receipt. Whoever opened the link is not kept from going on: what cannot be appended is counted lost."""
    now = context.clock.now_ms()
    if _clicks.take(f"{outcome}:{_digest(token)}", now):
        context.counts[f"{outcome}_not_counted"] += 1
        return
    try:
        await append_event(context, link_receipt(link, outcome, now, once_per_ms=once_per_ms, nonce=nonce))
    except (Busy, StoreDown):
        context.counts[f"{outcome}_lost"] += 1
    else:
        context.counts[f"links_{outcome}"] += 1


def _digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()[:24]


_clicks = Pace(CLICKS_PER_MINUTE)
_presses = Pace(PRESSES_PER_MINUTE)
