"""Message templates: texts by language and tone, parsed once, never failing at send.

What Liquid may do is in ``crm.sandbox``; what a template may name in ``crm.vocabulary``.
"""

import re
from collections.abc import Mapping
from itertools import count
from typing import TYPE_CHECKING, Any

import msgspec
from liquid.builtin.content import ContentNode
from msgspec import Struct

from crm.sandbox import parse
from crm.sources import ANY, Name, names_used, paths_used, syntax_error

if TYPE_CHECKING:
    from crm.config import TemplateConfig

__all__ = ["Picked", "Template", "Text", "compile_template", "pick", "render", "safe_url", "syntax_error", "tone_of"]

_URL = re.compile(r"(?:https?://|/(?!/)|#|\?)\S*", re.IGNORECASE)
Texts = dict[str, "Text"]  # by language tag in lower case

# A text depends on the values that it names and on nothing else. Rendering one takes 50 to 150 us and was a quarter of
# a host's time while players were new; many players have the same values (a mission, its rewards, a first name).
FILLED_MAX = 4_096  # texts remembered
FILLED_CHARS_MAX = 2_000  # longer ones are not, nor values that take more bytes
_filled: dict[tuple[int, bytes], str] = {}
_numbers = count(1)
_COMPUTED = ("size", "first", "last")  # Liquid works these out where no such name is
_MISSING = (0, None)  # beside (1, value) and (2, what Liquid computes from): no value can be taken for another kind
_encode = msgspec.msgpack.Encoder().encode


def safe_url(url: str) -> bool:
    """Tell whether a button may open it: a path of this site or an http(s) address, so no script and no data."""
    return _URL.fullmatch(url) is not None


class Text(Struct, frozen=True):
    """One text in one language, parsed."""

    constant: str  # the text itself, or what is left of it without its tags when rendering fails
    template: Any = None  # liquid.BoundTemplate; None: nothing to fill in
    paths: tuple[tuple[str, ...], ...] | None = None  # of the values it names; None: it computes names
    number: int = 0  # tells it from other texts

    def fill(self, variables: Mapping[str, Any]) -> tuple[str, bool]:
        """Return the filled text and whether that worked."""
        if self.template is None:
            return self.constant, True
        if self.paths is None:
            return self._rendered(variables)
        try:
            values = _encode([_value_at(variables, path) for path in self.paths])
        except (TypeError, OverflowError, RecursionError):  # values that no snapshot holds
            return self._rendered(variables)
        known = _filled.get((self.number, values))
        if known is not None:
            return known, True
        text, worked = self._rendered(variables)
        if worked and len(text) <= FILLED_CHARS_MAX and len(values) <= FILLED_CHARS_MAX:
            if len(_filled) >= FILLED_MAX:
                del _filled[next(iter(_filled))]
            _filled[self.number, values] = text
        return text, worked

    def _rendered(self, variables: Mapping[str, Any]) -> tuple[str, bool]:
        try:
            return self.template.render(variables), True
        except Exception:
            # Filters let through whatever Python raises on hostile values (ValueError, decimal errors,
            # RecursionError). A message that cannot be personalised still goes out, plain.
            return self.constant, False


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


class Picked(Struct, frozen=True):
    """A text in the language that suits the player best, and why that one."""

    language: str
    why: str  # player_locale, programme_locale, english, first_written
    text: Text


def compile_template(name: str, config: "TemplateConfig") -> Template:
    """Parse a validated template, once: rendering costs 10 to 30 us, parsing ten times that."""
    needs: set[Name] = set()
    action = config.action
    title, body = _texts(config.title, needs), _texts(config.body, needs)
    return Template(
        name=name,
        channel=config.channel,
        title=title,
        body=body,
        label=_texts(action.label, needs) if action else {},
        url=_text(action.url, needs) if action else None,
        tones={
            tone: (title | _texts(variant.title, needs), body | _texts(variant.body, needs))
            for tone, variant in config.tones.items()
        },
        names=frozenset(name.root for name in needs),
        parts=tuple(sorted({name.second or ANY for name in needs if name.root == "player"})),
    )


def _texts(sources: Mapping[str, str], needs: set[Name]) -> Texts:
    return {_tag(language): _text(source, needs) for language, source in sources.items()}


def _text(source: str, needs: set[Name]) -> Text:
    if "{{" not in source and "{%" not in source:
        return Text(source)
    template = parse(source)
    needs.update(names_used(template, source))
    literal = "".join(node.text for node in template.nodes if isinstance(node, ContentNode))
    return Text(" ".join(literal.split()), template, paths_used(template), next(_numbers))


def _value_at(variables: Mapping[str, Any], path: tuple[str, ...]) -> tuple[int, Any]:
    """Return what a text can see at a path: the value, that there is none, or all that Liquid computes one from."""
    value: Any = variables
    for name in path:
        if isinstance(value, Mapping) and name in value:
            value = value[name]
        elif isinstance(value, Mapping) and name not in _COMPUTED:
            return _MISSING
        else:
            return 2, value
    return 1, value


def render(template: Template, *, locale: str, fallback_locale: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Fill a template for one player.

    Language: the player's, without its region, the programme's, English, the first one written. Tone: the variable
    ``tone``, else the trait ``tone``, else none; a tone that has not the language says it in the template's own words.
    A missing variable is empty. The result is plain text, not HTML: whoever shows it escapes it.

    Returns:
        ``title``, ``body``, ``action`` when there is one that is safe to open, and ``degraded: True`` when a text
        could not be filled: then its literal parts stand there, and for an empty title the template's name.
    """
    titles, bodies = template.title, template.body
    if template.tones and (tone := tone_of(template, variables)[0]):
        titles, bodies = template.tones[tone]
    results = {
        "title": pick(titles, locale, fallback_locale).text.fill(variables),
        "body": pick(bodies, locale, fallback_locale).text.fill(variables),
    }
    content: dict[str, Any] = {part: text for part, (text, _) in results.items()}
    whole = all(filled for _, filled in results.values())
    if not results["title"][1] and not content["title"]:
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


def pick(texts: Texts, locale: str, fallback_locale: str) -> Picked:
    """Return the text for a player's locale; there is always one."""
    for wanted, why in ((locale, "player_locale"), (fallback_locale, "programme_locale"), ("en", "english")):
        tag = _tag(wanted)
        while tag:
            if tag in texts:
                return Picked(tag, why, texts[tag])
            tag = tag.rpartition("-")[0]
    language, text = next(iter(texts.items()))
    return Picked(language, "first_written", text)


def _tag(locale: str) -> str:
    return locale.replace("_", "-").lower()
