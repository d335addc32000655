"""A template as its writer wants to see it: every language filled in, what was empty, and what a player would get."""

from collections.abc import Mapping
from typing import Any

from crm.content import CHANNELS, render_contents
from crm.markers import MARKED
from crm.sandbox import fill_watched
from crm.sms import sms_size
from crm.templates import Template, Text, Texts, pick, render, safe_url, tone_of

EMPTY_MAX = 50  # names shown of a text


def preview(template: Template, *, locale: str, fallback_locale: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the player gets and why in that language and tone, and every language of that tone.

    ``content`` comes from the very function that sends; ``empty`` are the names that had no value when the text was
    filled in, also those that only decide (``{% if %}``) or have a default.
    """
    tone, tone_why = tone_of(template, variables)
    titles, bodies = template.tones[tone] if tone else (template.title, template.body)
    title, body = (pick(texts, locale, fallback_locale) for texts in (titles, bodies))
    content = render(template, locale=locale, fallback_locale=fallback_locale, variables=variables)
    languages = dict.fromkeys([*titles, *bodies])
    shown = {
        language: _language(template, titles, bodies, language, fallback_locale, variables) for language in languages
    }
    return {
        "channel": template.channel,
        "language": {"title": title.language, "body": body.language, "why": body.why, "locale": locale},
        "tone": {"picked": tone or None, "why": tone_why},
        "content": content,
        "contents": _readable(
            render_contents(template, CHANNELS[1:], locale=locale, fallback_locale=fallback_locale, variables=variables)
        ),
        "languages": shown,
    }


def _language(
    template: Template, titles: Texts, bodies: Texts, language: str, fallback: str, variables: Mapping[str, Any]
) -> dict[str, Any]:
    parts = {"title": pick(titles, language, fallback).text, "body": pick(bodies, language, fallback).text}
    if template.url is not None:
        parts |= {"label": pick(template.label, language, fallback).text, "url": template.url}
    results = {name: _filled(text, variables) for name, text in parts.items()}
    texts = {name: text for name, (text, _, _) in results.items()}
    errors = {name: error for name, (_, _, error) in results.items() if error}
    if template.url is not None and not safe_url(texts["url"]):
        errors.setdefault("url", f"expected a path, or an http or https address, got {texts['url'][:100]!r}")
    shown: dict[str, Any] = {
        "title": texts["title"],
        "body": texts["body"],
        "action": {"label": texts["label"], "url": texts["url"]} if template.url is not None else None,
        "empty": sorted({name for _, names, _ in results.values() for name in names})[:EMPTY_MAX],
        "errors": errors,
        "characters": {"title": len(texts["title"]), "body": len(texts["body"])},
    }
    if template.channel == "sms":
        size = sms_size(texts["body"])
        shown["sms"] = {"encoding": size.encoding, "units": size.units, "segments": size.segments}
        shown["sms"]["outside_gsm7"] = size.outside or None
    return shown


def _readable(value: Any) -> Any:
    """Return contents with ``#unsubscribe`` where the address of a link will stand."""
    if isinstance(value, str):
        return MARKED.sub(r"#\1", value)
    if isinstance(value, dict):
        return {name: _readable(inner) for name, inner in value.items()}
    return [_readable(inner) for inner in value] if isinstance(value, list) else value


def _filled(text: Text, variables: Mapping[str, Any]) -> tuple[str, list[str], str]:
    if text.template is None:
        return text.constant, [], ""
    filled, empty, error = fill_watched(text.template, variables)
    return (text.constant if error else filled), empty, error
