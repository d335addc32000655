"""Links of a message, signed when it is sent: the markers of its content get addresses, clicks and opens are measured.

What is stored and logged of a message has markers only (``crm.markers``): whoever reads a history can unsubscribe
nobody. A message has the same links at every try.
"""

import re
from collections.abc import Mapping
from html import escape, unescape
from typing import Any

from msgspec import Struct

from crm.content.followed import Followed, followed_in
from crm.markers import MARKED, marker, without
from domain.dispatch import URGENT, Dispatch
from domain.links import TOKEN_MAX, Link, LinkKind, sign

_HREF = re.compile(r'(<a\b[^>]*?\shref=")(https?://[^"]*)(")', re.IGNORECASE)
_URL = re.compile(r"https?://[^\s<>\"\x00-\x1f]+", re.IGNORECASE)
_LANGUAGE = re.compile(r'<html\b[^>]*?\slang="([A-Za-z]{2,8})')
_UNSUBSCRIBE, _PREFERENCES = marker("unsubscribe"), marker("preferences")
_PATHS: Mapping[str, LinkKind] = {"unsubscribe": "unsubscribe", "preferences": "preferences", "confirm": "confirm"}
_FOLDERS: Mapping[LinkKind, str] = {
    "click": "r",
    "unsubscribe": "u",
    "preferences": "preferences",
    "confirm": "confirm",
}
_FOOTERS = {
    "en": ("You get this mail because you have an account with us.", "Unsubscribe", "Preferences"),
    "uk": ("Ви отримали цей лист, бо маєте в нас обліковий запис.", "Відписатися", "Налаштування"),  # noqa: RUF001
    "ru": ("Вы получили это письмо, потому что у вас есть учётная запись у нас.", "Отписаться", "Настройки"),  # noqa: RUF001
    "de": ("Sie erhalten diese E-Mail, weil Sie ein Konto bei uns haben.", "Abmelden", "Einstellungen"),
    "fr": ("Vous recevez cet e-mail car vous avez un compte chez nous.", "Se désabonner", "Préférences"),
    "es": ("Recibe este correo porque tiene una cuenta con nosotros.", "Darse de baja", "Preferencias"),
    "pt": ("Recebe este e-mail porque tem uma conta connosco.", "Cancelar subscrição", "Preferências"),
    "it": ("Ricevi questa e-mail perché hai un account da noi.", "Annulla iscrizione", "Preferenze"),
    "pl": ("Otrzymujesz tę wiadomość, ponieważ masz u nas konto.", "Wypisz się", "Ustawienia"),
}


class Links(Struct, frozen=True):
    """Makes the links of one message."""

    dispatch: Dispatch
    public_url: str  # of the gateway, as players reach it
    secret: str
    at: int  # ms

    def url(self, kind: LinkKind, target: str = "") -> str:
        """Return the address of a link; "" when its token would be too long to be read."""
        dispatch = self.dispatch
        link = Link(
            kind,
            dispatch.player,
            dispatch.id,
            dispatch.channel,
            target,
            dispatch.template,
            dispatch.purpose,
            dispatch.cleared_at or self.at,
        )
        token, base = sign(self.secret, link), self.public_url.rstrip("/")
        if len(token) > TOKEN_MAX:
            return ""
        if kind == "open":
            return f"{base}/o/{token}.gif"
        return f"{base}/{_FOLDERS[kind]}/{token}"

    def tracked(self, url: str) -> str:
        """Return the address that counts a click and goes on to ``url``."""
        return self.url("click", url) or url


def links(dispatch: Dispatch, *, public_url: str, secret: str, at: int) -> dict[str, str]:
    """Return the addresses ``unsubscribe`` and ``preferences`` of a message; urgent ones have only the latter."""
    made = Links(dispatch, public_url, secret, at)
    if dispatch.purpose in URGENT:
        return {"preferences": made.url("preferences")}
    return {"unsubscribe": made.url("unsubscribe"), "preferences": made.url("preferences")}


def prepared(
    dispatch: Dispatch, content: Mapping[str, Any], *, public_url: str, secret: str, at: int
) -> dict[str, Any]:
    """Return a message's content as an adapter takes it.

    In this order: the template's links that lead outside are replaced by ones that count clicks, when
    ``content["tracking"]`` says so; a mail gets its picture, and a marketing mail without a way to unsubscribe a
    footer; markers get their addresses, which are never replaced by counting ones.
    """
    made = Links(dispatch, public_url, secret, at)
    wanted = content.get("tracking")
    wanted = wanted if isinstance(wanted, Mapping) else {}
    ready = {name: value for name, value in content.items() if name not in ("tracking", "degraded", "confirm")}
    if wanted.get("clicks"):
        _count_clicks(ready, made, followed_in(wanted))
    if dispatch.channel == "email":
        if dispatch.purpose not in URGENT:
            _add_footer(ready)
        if wanted.get("opens") and ready.get("html"):
            picture = f'<img src="{escape(made.url("open"))}" width="1" height="1" alt="" style="display:block;">'
            ready["html"] = _before_end(str(ready["html"]), picture)
    confirmed = content.get("confirm")
    target = confirmed if isinstance(confirmed, str) and confirmed else dispatch.channel
    values = {"player_id": dispatch.player, "request_id": dispatch.id}

    def value_of(found: re.Match[str]) -> str:
        name = found[1]
        if kind := _PATHS.get(name):
            return made.url(kind, target if kind == "confirm" else "")
        return values.get(name, "")

    return {name: _filled(value, value_of, is_html=name == "html") for name, value in ready.items()}


def _count_clicks(content: dict[str, Any], made: Links, followed: Followed) -> None:
    """Let the template's addresses lead through the engine; of a mail's text those that its page has as links.

    What a player or an event brought stays as it is: signed by us, it would lead anywhere in the operator's name.
    """
    html, linked = content.get("html"), set()

    def in_page(found: re.Match[str]) -> str:
        url = unescape(found[2])
        if not followed.allows(url):
            return found[0]
        linked.add(url)
        return found[1] + escape(made.tracked(url)) + found[3]

    def in_text(found: re.Match[str]) -> str:
        url, rest = _ended(found[0])
        is_counted = followed.allows(url) if html is None else url in linked
        return (made.tracked(url) if is_counted else url) + rest

    if html is not None:
        content["html"] = _HREF.sub(in_page, str(html))
    if isinstance(text := content.get("text"), str):
        content["text"] = _URL.sub(in_text, text)
    if isinstance(url := content.get("url"), str) and _URL.fullmatch(url) and followed.allows(url):
        content["url"] = made.tracked(url)


def _ended(url: str) -> tuple[str, str]:
    """Return an address in running text and what follows it: a full stop, a bracket that was opened before it."""
    end = len(url)
    while end and (url[end - 1] in ".,;:!?'*" or (url[end - 1] == ")" and url[:end].count(")") > url[:end].count("("))):
        end -= 1
    return url[:end], url[end:]


def _add_footer(content: dict[str, Any]) -> None:
    html, text = str(content.get("html") or ""), str(content.get("text") or "")
    found = _LANGUAGE.search(html[:2_000])
    why, leave, choose = _FOOTERS.get(str(content.get("language") or (found[1] if found else ""))[:2], _FOOTERS["en"])

    if html and _UNSUBSCRIBE not in html:
        style = "color:#6b7280;text-decoration:underline;"
        content["html"] = _before_end(
            html,
            '<div style="font-family:Helvetica,Arial,sans-serif;font-size:12px;line-height:1.5;color:#6b7280;'
            f'text-align:center;padding:16px;">{escape(why)}<br>'
            f'<a href="{_UNSUBSCRIBE}" style="{style}">{escape(leave)}</a>'
            f' &middot; <a href="{_PREFERENCES}" style="{style}">{escape(choose)}</a></div>',
        )
    if _UNSUBSCRIBE not in text:
        content["text"] = f"{text.rstrip()}\n\n--\n{why}\n{leave}: {_UNSUBSCRIBE}\n{choose}: {_PREFERENCES}\n"


def _before_end(html: str, piece: str) -> str:
    at = html.rfind("</body>")
    return html + piece if at < 0 else html[:at] + piece + html[at:]


def _filled(value: Any, value_of: Any, *, is_html: bool = False) -> Any:
    if isinstance(value, str):
        text = MARKED.sub((lambda found: escape(value_of(found))) if is_html else value_of, value)
        return without(text)
    if isinstance(value, Mapping):
        return {name: _filled(inner, value_of) for name, inner in value.items()}
    return [_filled(inner, value_of) for inner in value] if isinstance(value, list | tuple) else value
