"""What the pages behind a message's links have in common: whose link it is, the words, what is said on failure.

The link is the capability (``domain.links``), so nothing here asks who somebody is.
"""

from collections.abc import Callable, Coroutine, Iterable, Mapping
from hashlib import sha256
from typing import Annotated, Any

from fastapi import Path
from fastapi.routing import APIRoute
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import Response

from api.context import Context
from api.hosted import hosted_page, paragraph
from api.hosted_words import VERSION, accepted_language, consent_name, words_of
from api.pace import Pace
from api.pages import instant
from domain.errors import Busy, StoreDown
from domain.links import TOKEN_MAX, Link, LinkKind, read, sign
from store.ports import Unavailable

DAY_MS = 86_400_000
AGES_DAYS: dict[LinkKind, int] = {"click": 800, "open": 800, "unsubscribe": 3_660, "preferences": 400, "confirm": 30}
"""How long a link works. One that unsubscribes works as long as anybody may still have the message."""
FORM_MAX = 16 * 1024  # bytes
PRESSES_PER_MINUTE = 30  # of one link that changes something

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
_FAILURES = (Busy, StoreDown, Unavailable, RedisError, OSError)


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
        raise BadLink(sorry(request, "bad", 404))
    if link.issued_at and context.clock.now_ms() - link.issued_at > AGES_DAYS[kind] * DAY_MS:
        context.counts["links_expired"] += 1
        raise BadLink(sorry(request, "expired", 410))
    return link


class HostedRoute(APIRoute):
    """A page. A link that does not work, and a failure that passes, are told on a page too."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()

        async def told(request: Request) -> Response:
            try:
                return await answer(request)
            except BadLink as bad:
                return bad.page
            except _FAILURES as error:
                return _sorry_later(request, error)

        return told


def press(context: Context, token: str) -> None:
    """Let a link that changes something be pressed, not too often.

    Raises:
        Busy: it was pressed too often.
    """
    if wait_s := _presses.take(digest(token), context.clock.now_ms()):
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


def _sorry_later(request: Request, error: Exception) -> Response:
    """Return the page of a failure that passes."""
    status = error.status if isinstance(error, Busy) else 503
    page = sorry(request, "busy", status)
    page.headers["Retry-After"] = str(getattr(error, "retry_after_s", None) or 1)
    return page


def preferences_path(context: Context, player: str, at: int, **of: str) -> str:
    """Return the path of a player's preference centre."""
    return "/preferences/" + sign(context.settings.token_secret, Link("preferences", player, issued_at=at, **of))


def preferences_link(context: Context, words: dict[str, str], link: Link) -> str:
    """Return a paragraph that leads to the preference centre."""
    path = preferences_path(context, link.player, context.clock.now_ms(), request=link.request)
    return f'<p><a href="{path}">{words["preferences"]}</a></p>'


def sorry(request: Request, what: str, status: int) -> Response:
    """Return a page that says what is wrong, in the browser's language."""
    words = words_of(accepted_language(request.headers.get("accept-language")))
    return hosted_page(words, words[f"{what}_title"], paragraph(words[what]), status=status)


def digest(token: str) -> str:
    """Return the name of a token where its uses are counted."""
    return sha256(token.encode()).hexdigest()[:24]


_presses = Pace(PRESSES_PER_MINUTE)
