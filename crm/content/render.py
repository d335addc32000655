"""A template's words for one player by channel, in the shapes that adapters take (``channels.ports.Parcel``)."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from crm.content.markup import items_of, outside_url, to_attribute, to_html, to_text
from crm.content.pages import LANGUAGE, PREHEADER
from crm.content.template import Email, Sections, Template, render, tone_of
from crm.markers import LINKS, marker
from crm.texts import Text, Texts, pick

CHANNELS = ("in_app", "push", "email", "sms", "messenger", "webhook")
HTML_BYTES_MAX = 200_000
TEXT_CHARS_MAX = 50_000
SUBJECT_CHARS_MAX = 255
SMS_CHARS_MAX = 1_600
PUSH_BYTES_MAX = 3_000
MESSENGER_CHARS_MAX = 4_000
URL_CHARS_MAX = 2_048
PAYLOAD_BYTES_MAX = 64_000
_ALL = frozenset({"best"})  # of a request that leaves the channel to the tower

Content = dict[str, Any]


def render_contents(
    template: Template,
    channels: Iterable[str],
    *,
    locale: str,
    fallback_locale: str,
    variables: Mapping[str, Any],
) -> dict[str, Content]:
    """Fill a template for one player, for some channels; ``best`` stands for all.

    Languages, tones and missing values are as in ``render``. What cannot be filled says its literal parts, what is too
    long is cut, and the content is marked ``degraded``. Channels other than in-app have markers where links are signed
    and the player is named when they are sent (``channels.tracking.prepared``), and ``tracking``, when anything is
    measured.
    """
    wanted = set(channels)
    wanted = set(CHANNELS) if wanted & _ALL else wanted
    contents: dict[str, Content] = {}
    if "in_app" in wanted:
        contents["in_app"] = render(template, locale=locale, fallback_locale=fallback_locale, variables=variables)
    outside = [name for name in CHANNELS if name in wanted and name in _RENDERERS]
    if not outside:
        return contents
    filling = _Filling(template, locale, fallback_locale, {**variables, "links": LINKS})
    for channel in outside:
        filling.is_whole = True
        content = _RENDERERS[channel](filling)
        if channel != "webhook" and (tracking := _tracking(template, channel)):
            content["tracking"] = tracking
        if not filling.is_whole:
            content["degraded"] = True
        contents[channel] = content
    return contents


class _Filling:
    """One template being filled for one player."""

    def __init__(self, template: Template, locale: str, fallback: str, variables: Mapping[str, Any]) -> None:
        self.template = template
        self.said: Sections = template.sections[tone_of(template, variables)[0] if template.tones else ""]
        self.variables = variables
        self.is_whole = True
        self._locale, self._fallback = locale, fallback

    def language(self, texts: Texts) -> str:
        return pick(texts, self._locale, self._fallback).language

    def say(self, texts: Texts, most: int = TEXT_CHARS_MAX) -> str:
        """Return a text of at most so many characters."""
        return self.fill(pick(texts, self._locale, self._fallback).text, most) if texts else ""

    def fill(self, text: Text, most: int = TEXT_CHARS_MAX) -> str:
        filled, worked = text.fill(self.variables)
        self.is_whole = self.is_whole and worked
        return self.cut(filled, most)

    def value(self, text: Text) -> Any:
        """Return a leaf of a payload."""
        value, worked = text.value(self.variables)
        self.is_whole = self.is_whole and worked
        return value

    def title(self, texts: Texts, most: int = SUBJECT_CHARS_MAX) -> str:
        """Return a title: never empty where it could not be filled, and in one line."""
        said = " ".join(self.say(texts, most).split())
        return said or ("" if self.is_whole else self.template.name)

    def url(self, text: Text) -> str:
        """Return an address that leads somewhere from outside, or ""."""
        url = outside_url(self.fill(text), self.template.site)
        if not url or len(url) > URL_CHARS_MAX:
            self.is_whole = False
            return ""
        return url

    def action(self) -> tuple[str, str]:
        """Return label and address of the template's button, ("", "") when it has none that is safe."""
        template = self.template
        url = self.url(template.url) if template.url is not None else ""
        return (self.say(template.label, SUBJECT_CHARS_MAX), url) if url else ("", "")

    def cut(self, text: str, most: int) -> str:
        if len(text) <= most:
            return text
        self.is_whole = False
        return text[: most - 3] + "..."


def _tracking(template: Template, channel: str) -> dict[str, Any]:
    wanted: dict[str, Any] = {"opens": True} if template.tracking.opens and channel == "email" else {}
    return wanted | ({"clicks": True} | template.followed.plain() if template.tracking.clicks else {})


def _email(filling: _Filling) -> Content:
    email = filling.said.email
    subject = filling.title(email.subject)
    preheader = " ".join(filling.say(email.preheader, SUBJECT_CHARS_MAX).split())
    filled = _slots(filling, email)
    html = {number: shown for number, (shown, _) in filled.items()}
    language = filling.language(email.subject)
    html |= {LANGUAGE: to_attribute(language), PREHEADER: to_attribute(preheader)}
    text = _plain(email, {number: plain for number, (_, plain) in filled.items()})
    content = {"subject": subject, "html": _page(email, html), "text": filling.cut(text, TEXT_CHARS_MAX)}
    content["language"] = language
    if len(content["html"]) > HTML_BYTES_MAX // 4 and len(content["html"].encode()) > HTML_BYTES_MAX:
        content["html"], filling.is_whole = "", False  # it goes as plain text
    if preheader:
        content["preheader"] = preheader
    if from_name := " ".join(filling.say(email.from_name, SUBJECT_CHARS_MAX).split()):
        content["from_name"] = from_name
    return content


def _slots(filling: _Filling, email: Email) -> dict[int, tuple[str, str]]:
    """Return each text of an e-mail as HTML and as plain text."""
    site, filled = filling.template.site, {}
    for number, slot in email.slots.items():
        if slot.kind == "url":
            url = filling.url(slot.texts[""])
            filled[number] = to_attribute(url), url
            continue
        said = filling.say(slot.texts)
        if slot.kind == "list":
            items = items_of(said)
            shown = "".join(f"<li>{to_html(item, site)}</li>" for item in items)
            plain = "\n".join(f"- {to_text(item, site)}" for item in items)
            filled[number] = (f'<ul style="margin:0;padding-left:20px;">{shown}</ul>' if items else ""), plain
        elif slot.kind == "plain":
            filled[number] = to_attribute(said), to_text(said, site)
        else:
            filled[number] = to_html(said, site), to_text(said, site)
    return filled


def _page(email: Email, texts: Mapping[int, str]) -> str:
    parts: list[str] = []
    at, page = 0, email.page
    while at < len(page):
        piece = page[at]
        parts.append(piece.html)
        if piece.slot >= 0:
            parts.append(texts[piece.slot])
        at = piece.go_on if piece.unless >= 0 and not texts[piece.unless] else at + 1
    return "".join(parts)


def _plain(email: Email, texts: Mapping[int, str]) -> str:
    lines: list[str] = []
    for kind, slots in email.plain:
        said = [texts[slot] for slot in slots]
        if kind == "divider":
            lines.append("-" * 40)
        elif kind == "button":
            lines += [f"{said[0]}: {said[1]}"] if said[1] else []
        elif kind == "image":
            lines += [" ".join(filter(None, said))] if any(said) else []
        elif kind != "spacer" and said[0]:
            lines.append(said[0])
    return "\n\n".join(lines) + "\n"


def _sms(filling: _Filling) -> Content:
    said = filling.said
    if said.sms is not None:
        return {"text": filling.say(said.sms, SMS_CHARS_MAX)}
    _label, url = filling.action()
    room = SMS_CHARS_MAX - len(url) - 1
    if room < len(url):  # an address that long would be all there is
        url, room, filling.is_whole = "", SMS_CHARS_MAX, False
    return {"text": " ".join(filter(None, (filling.say(said.body, room).strip(), url)))}


def _push(filling: _Filling) -> Content:
    said = filling.said
    content: Content = {
        "title": filling.title(said.push_title or said.title),
        "body": filling.say(said.push_body or said.body, PUSH_BYTES_MAX),
    }
    _label, url = filling.action()
    addresses = {"url": url} if url else {}
    for name, text in (("icon", said.push_icon), ("image", said.push_image)):
        if text is not None and (address := filling.url(text)):
            addresses[name] = address
    content |= addresses
    for name in ("image", "icon"):
        if _size(content) > PUSH_BYTES_MAX and content.pop(name, ""):
            filling.is_whole = False
    for name in ("body", "title"):
        while (over := _size(content) - PUSH_BYTES_MAX) > 0 and content[name]:
            content[name], filling.is_whole = content[name][: -max(1, over // 6)], False
    return content


def _messenger(filling: _Filling) -> Content:
    said = filling.said
    if said.messenger is None:
        title, (label, url) = filling.title(said.title), filling.action()
        text = "\n".join(filter(None, (title, filling.say(said.body, MESSENGER_CHARS_MAX - len(title) - 1).strip())))
    else:
        text = filling.say(said.messenger, MESSENGER_CHARS_MAX).strip()
        url = filling.url(said.messenger_url) if said.messenger_url is not None else ""
        label = filling.say(said.messenger_label, SUBJECT_CHARS_MAX) if url else ""
    return {"text": text} | ({"label": label, "url": url} if url else {})


def _webhook(filling: _Filling) -> Content:
    payload = _plain_payload(filling) if filling.said.webhook is None else _json(filling, filling.said.webhook)
    try:
        size = _size(payload)
    except (TypeError, ValueError, RecursionError):  # no JSON: a value that no snapshot holds
        size = PAYLOAD_BYTES_MAX + 1
    if size > PAYLOAD_BYTES_MAX:
        filling.is_whole = False
        payload = _plain_payload(filling, most=2_000)
    return {"payload": payload}


def _plain_payload(filling: _Filling, most: int = TEXT_CHARS_MAX // 4) -> Content:
    said, (label, url) = filling.said, filling.action()
    return {
        "template": filling.template.name,
        "player_id": marker("player_id"),
        "title": filling.title(said.title),
        "body": filling.say(said.body, most),
        "action": {"label": label, "url": url} if url else None,
    }


def _json(filling: _Filling, value: Any) -> Any:
    """Return a payload with its texts filled: as values, never as parts of JSON, so no quote breaks it."""
    if isinstance(value, Text):
        return filling.value(value)
    if isinstance(value, dict):
        return {key: _json(filling, inner) for key, inner in value.items()}
    return [_json(filling, inner) for inner in value] if isinstance(value, list) else value


def _size(content: Mapping[str, Any]) -> int:
    return len(json.dumps(content, ensure_ascii=False, allow_nan=False).encode(errors="surrogatepass"))


_RENDERERS: Mapping[str, Callable[[_Filling], Content]] = {
    "email": _email,
    "sms": _sms,
    "push": _push,
    "messenger": _messenger,
    "webhook": _webhook,
}
