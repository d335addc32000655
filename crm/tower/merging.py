"""Several messages of one purpose as one message: what it says, by each channel."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from msgspec import structs

from crm.content import render_contents
from crm.templates import Template
from domain.entries import MessageRequest

LINE_CHARS_MAX = 300  # of each of the others
_CHARS_MAX = {"sms": 1_600, "push": 1_000, "messenger": 4_000}
_OTHERS_CHARS_MAX = 10_000
_BODY_END = "</body>"


def merged(
    leader: MessageRequest,
    others: Sequence[MessageRequest],
    channel: str,
    template: Template | None,
    *,
    locale: str,
    fallback_locale: str,
) -> MessageRequest:
    """Return the leader's request, saying what all of them say; it expires when the first of them does.

    Args:
        template: Rendered with ``count`` and ``messages`` (each with ``title`` and ``body``); None: the leader's own
            words stand, and the others' bodies below, a line each.
    """
    channels = tuple(dict.fromkeys((channel, *leader.contents)))
    if template is not None:
        said = [_said(request, channel) for request in (leader, *others)]
        variables = {"count": len(said), "messages": said}
        contents = render_contents(
            template, {"in_app", *channels}, locale=locale, fallback_locale=fallback_locale, variables=variables
        )
        content = contents.pop("in_app")
    else:
        lines = [_line(request, channel) for request in others]
        content = _with_lines(leader.content, lines, "in_app", others)
        contents = {
            name: _with_lines(leader.contents[name], lines, name, others)
            for name in channels
            if name in leader.contents
        }
    return structs.replace(
        leader,
        template=leader.template if template is None else template.name,
        content=content,
        contents=contents,
        expires_at=min(request.expires_at for request in (leader, *others)),
    )


def _said(request: MessageRequest, channel: str) -> dict[str, str]:
    content = request.content or request.contents.get(channel, {})
    title = content.get("title") or content.get("subject") or ""
    return {"title": str(title), "body": str(content.get("body") or content.get("text") or "")}


def _line(request: MessageRequest, channel: str) -> str:
    said = _said(request, channel)
    line = " ".join((said["body"] or said["title"]).split())
    return line if len(line) <= LINE_CHARS_MAX else f"{line[: LINE_CHARS_MAX - 3]}..."


def _with_lines(
    content: Mapping[str, Any], lines: Sequence[str], channel: str, others: Sequence[MessageRequest]
) -> dict[str, Any]:
    """Return a channel's content with the others' lines below its own words; ``+3`` stands for three without room."""
    found = dict(content)
    if "payload" in found:
        payloads = [other.contents.get(channel, {}).get("payload", other.content) for other in others]
        return found | {"payload": {**found["payload"], "merged": payloads}}
    if found.get("html"):
        paragraphs = "".join(f"<p>{escape(line)}</p>" for line in lines)
        head, end, tail = str(found["html"]).rpartition(_BODY_END)
        found["html"] = f"{head}{paragraphs}{end}{tail}" if end else ""  # without a body it goes as plain text
    for key in ("text", "body"):
        if key in found or (key == "body" and "text" not in found):
            room = _CHARS_MAX.get(channel, len(str(found.get(key, ""))) + _OTHERS_CHARS_MAX)
            found[key] = _text(str(found.get(key, "")), lines, room)
    return found


def _text(own: str, lines: Sequence[str], most: int) -> str:
    text = own.rstrip("\n")
    for n, line in enumerate(lines):
        longer = f"{text}\n{line}" if text else line
        left = len(lines) - n - 1
        if len(longer) + (len(f"\n+{left}") if left else 0) > most:
            return f"{text}\n+{left + 1}"[:most]
        text = longer
    return text
