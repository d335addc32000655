"""A compiled template; its title, body and action, which in-app shows and other channels fall back to."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from crm.content.followed import Followed
from crm.texts import Text, Texts, pick, safe_url

_NO_LINKS: Mapping[str, str] = {}


class Piece(Struct, frozen=True):
    """A piece of an e-mail's page: HTML, then a text's slot, or the end of a part that is left out without its text."""

    html: str
    slot: int = -1  # of the text that stands after it
    unless: int = -1  # slot without whose text the page goes on at ``go_on``
    go_on: int = 0


class Slot(Struct, frozen=True):
    """A text of an e-mail."""

    kind: str  # words, plain (an attribute, a label), url, list
    texts: Texts


class Email(Struct, frozen=True):
    """An e-mail: its page in pieces, and the order in which its texts make the text version."""

    subject: Texts
    preheader: Texts
    from_name: Texts
    page: tuple[Piece, ...]
    slots: dict[int, Slot]
    plain: tuple[tuple[str, tuple[int, ...]], ...]  # kind of block and its slots


class Sections(Struct, frozen=True):
    """What a template says by channel, in one tone. ``None``: what title, body and action say."""

    title: Texts
    body: Texts
    email: Email
    sms: Texts | None = None
    push_title: Texts = {}
    push_body: Texts = {}
    push_icon: Text | None = None
    push_image: Text | None = None
    messenger: Texts | None = None
    messenger_label: Texts = {}
    messenger_url: Text | None = None
    webhook: dict[str, Any] | None = None  # leaves are Text or values


class Tracking(Struct, frozen=True):
    """What is measured by links of our own."""

    opens: bool = False
    clicks: bool = False


class Template(Struct, frozen=True):
    """A message template ready to render."""

    name: str
    channel: str
    title: Texts
    body: Texts
    label: Texts = {}
    url: Text | None = None
    tones: dict[str, tuple[Texts, Texts]] = {}  # title and body; languages that a tone has not are the base's
    names: frozenset[str] = frozenset()  # roots that the texts name
    parts: tuple[str, ...] = ()  # of the player that they name; ANY among them: they compute names
    sections: dict[str, Sections] = {}  # by tone, "" is the template's own
    tracking: Tracking = Tracking()
    legal: bool = False  # a legal notice: it may pass exclusions
    site: str = ""  # https://casino.example: where paths lead from outside
    followed: Followed = Followed()  # addresses whose clicks are counted


def render(template: Template, *, locale: str, fallback_locale: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Fill a template for one player.

    Language: the player's, without its region, the programme's, English, the first one written. Tone: the variable
    ``tone``, else the trait ``tone``, else none; a tone that has not the language says it in the template's own words.
    A missing variable is empty. The result is plain text, not HTML: whoever shows it escapes it.

    Returns:
        ``title``, ``body``, ``action`` when there is one that is safe to open, and ``degraded: True`` when a text
        could not be filled: then its literal parts stand there, and for an empty title the template's name.
    """
    if "links" in template.names:  # in-app has none: the player is there already
        variables = {**variables, "links": _NO_LINKS}
    titles, bodies = template.title, template.body
    if template.tones and (tone := tone_of(template, variables)[0]):
        titles, bodies = template.tones[tone]
    title, title_filled = pick(titles, locale, fallback_locale).text.fill(variables)
    body, body_filled = pick(bodies, locale, fallback_locale).text.fill(variables)
    content: dict[str, Any] = {"title": title, "body": body}
    whole = title_filled and body_filled
    if not title_filled and not title:
        content["title"] = template.name
    if template.url is not None:
        label, label_filled = pick(template.label, locale, fallback_locale).text.fill(variables)
        url, url_filled = template.url.fill(variables)
        safe = url_filled and safe_url(url)
        if safe:
            content["action"] = {"label": label, "url": url}
        whole = whole and label_filled and safe
    return content if whole else content | {"degraded": True}


def tone_of(template: Template, variables: Mapping[str, Any]) -> tuple[str, str]:
    """Return the tone to speak in ("" is the template's own) and why: asked, trait, or base."""
    asked = variables.get("tone")
    if isinstance(asked, str) and asked in template.tones:
        return asked, "asked"
    player = variables.get("player")
    traits = player.get("traits") if isinstance(player, Mapping) else None
    liked = traits.get("tone") if isinstance(traits, Mapping) else None
    if isinstance(liked, str) and liked in template.tones:
        return liked, "trait"
    return "", "base"
