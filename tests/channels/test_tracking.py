"""Links that are signed when a message is sent: which are replaced, which never, and what a mail gets besides."""

import re
from typing import Any

import pytest

from channels.tracking import links, prepared
from crm.config import TemplateConfig
from crm.content import render_contents
from crm.content.followed import followed_of
from crm.markers import LINKS, marker
from crm.templates import compile_template
from domain.dispatch import Dispatch
from domain.links import Link, read

SECRET, PUBLIC, AT = "s" * 32, "https://play.example/", 1_790_000_000_000
BOTH = {"opens": True, "clicks": True, "starts": ["https://x.example/"]}


def dispatch(channel: str = "email", purpose: str = "promo") -> Dispatch:
    return Dispatch("req_1_00ff", "ada", channel, purpose, "come-back", {}, AT - 500, AT + 1, AT + 2)


def ready(content: dict[str, Any], channel: str = "email", purpose: str = "promo") -> dict[str, Any]:
    return prepared(dispatch(channel, purpose), content, public_url=PUBLIC, secret=SECRET, at=AT)


def follow(url: str) -> Link:
    found = re.fullmatch(r"https://play\.example/(r|o|u|preferences|confirm)/([\w-]+)(?:\.gif)?", url)
    assert found, url
    kinds: Any = {"r": "click", "o": "open", "u": "unsubscribe"}
    link = read(SECRET, found[2], kinds.get(found[1], found[1]))
    assert link is not None
    assert (link.player, link.request, link.issued_at) == ("ada", "req_1_00ff", AT - 500)
    return link


def hrefs(html: str) -> list[str]:
    return [url.replace("&amp;", "&") for url in re.findall(r'href="([^"]*)"', html)]


def page(*urls: str) -> str:
    return '<html lang="en"><body>' + "".join(f'<a class="x" href="{url}">x</a>' for url in urls) + "</body></html>"


def test_links_that_lead_outside_count_clicks_and_no_others() -> None:
    html = page("https://x.example/?a=1&amp;b=2", "mailto:a@x.example", LINKS["unsubscribe"], LINKS["preferences"])
    text = f"Go (https://x.example/?a=1&b=2). Not https://y.example/. Leave: {LINKS['unsubscribe']}"
    made = ready({"html": html, "text": text, "subject": "https://z.example", "tracking": BOTH})
    first, mail, leave, choose = hrefs(made["html"])
    assert (follow(first).kind, follow(first).target) == ("click", "https://x.example/?a=1&b=2")
    assert mail == "mailto:a@x.example"
    assert (follow(leave).kind, follow(choose).kind) == ("unsubscribe", "preferences")
    assert made["text"] == f"Go ({first}). Not https://y.example/. Leave: {leave}"
    assert made["subject"] == "https://z.example"
    assert "tracking" not in made


def test_without_tracking_a_link_stays_and_nothing_is_loaded() -> None:
    html = page("https://x.example/", LINKS["unsubscribe"])
    made = ready({"html": html, "text": LINKS["unsubscribe"]})
    assert hrefs(made["html"])[0] == "https://x.example/"
    assert "<img" not in made["html"]


def test_a_mail_whose_opens_count_has_one_picture_before_its_end() -> None:
    made = ready({"html": page(LINKS["unsubscribe"]), "text": "t", "tracking": {"opens": True}})
    (url,) = re.findall(r'<img src="([^"]*)" width="1" height="1" alt=""[^>]*></body></html>$', made["html"])
    assert follow(url).kind == "open"


def test_a_marketing_mail_without_a_way_out_gets_one() -> None:
    made = ready({"html": page("https://x.example/"), "text": "Hi", "language": "uk", "tracking": BOTH})
    _, leave, choose = hrefs(made["html"])
    assert (follow(leave).kind, follow(choose).kind) == ("unsubscribe", "preferences")
    assert "Відписатися" in made["html"]
    assert f"Відписатися: {leave}" in made["text"]


@pytest.mark.parametrize(
    ("content", "purpose"),
    [
        ({"html": page("https://x.example/"), "text": "Hi"}, "service"),
        ({"html": page("https://x.example/"), "text": "Hi"}, "legal"),
        ({"html": page(LINKS["unsubscribe"]), "text": f"Hi {LINKS['unsubscribe']}"}, "promo"),
    ],
)
def test_a_mail_that_needs_no_footer_has_none(content: dict[str, Any], purpose: str) -> None:
    made = ready(content, purpose=purpose)
    assert len(hrefs(made["html"])) == 1
    assert "account with us" not in made["html"] + made["text"]


@pytest.mark.parametrize(
    ("text", "target", "rest"),
    [
        ("x https://x.example/a.", "https://x.example/a", "."),
        ("(https://x.example/a_(b))", "https://x.example/a_(b)", ")"),
        ("https://x.example/?q=1, then", "https://x.example/?q=1", ", then"),
    ],
)
def test_an_address_in_a_text_ends_where_its_sentence_goes_on(text: str, target: str, rest: str) -> None:
    made = ready({"text": text, "tracking": BOTH}, channel="sms")
    (url,) = re.findall(r"https://play\.example/r/[\w-]+", made["text"])
    assert follow(url).target == target
    assert made["text"].endswith(url + rest)


def test_push_and_messengers_lead_through_the_engine_too() -> None:
    content = {"title": "t", "body": "b", "url": "https://x.example/", "icon": "https://i.example/i", "tracking": BOTH}
    made = ready(content, channel="push")
    assert follow(made["url"]).target == "https://x.example/"
    assert made["icon"] == "https://i.example/i"
    made = ready({"text": "t", "label": "l", "url": LINKS["preferences"], "tracking": BOTH}, channel="messenger")
    assert follow(made["url"]).kind == "preferences"


def test_a_payload_gets_who_it_is_about_deep_inside() -> None:
    payload = {
        "player_id": marker("player_id"),
        "deep": [{"leave": LINKS["unsubscribe"]}],
        "n": 1,
        "other": marker("nope"),
    }
    made = ready({"payload": payload, "degraded": True}, channel="webhook")["payload"]
    assert (made["player_id"], made["n"], made["other"]) == ("ada", 1, "")
    assert follow(made["deep"][0]["leave"]).kind == "unsubscribe"


def test_what_is_confirmed_is_what_was_asked_for() -> None:
    made = ready({"text": LINKS["confirm"], "confirm": "casino/email"}, channel="sms", purpose="service")
    assert follow(made["text"]).target == "casino/email"
    assert follow(ready({"text": LINKS["confirm"]}, channel="sms", purpose="service")["text"]).target == "sms"


def test_an_address_too_long_for_a_token_is_left_as_it_is() -> None:
    url = "https://x.example/" + "x" * 4_000
    assert ready({"text": url, "tracking": BOTH}, channel="sms")["text"] == url


def test_every_try_sends_the_same() -> None:
    content = {"html": page("https://x.example/"), "text": "t", "tracking": BOTH}
    again = prepared(dispatch(), content, public_url=PUBLIC, secret=SECRET, at=AT + 60_000)
    assert ready(content) == again


def test_only_marketing_can_be_left_by_a_header() -> None:
    made = links(dispatch(), public_url=PUBLIC, secret=SECRET, at=AT)
    assert follow(made["unsubscribe"]).purpose == "promo"
    assert set(links(dispatch(purpose="service"), public_url=PUBLIC, secret=SECRET, at=AT)) == {"preferences"}


def test_from_the_template_to_the_inbox_no_marker_is_left() -> None:
    document = {
        "channel": "email",
        "title": {"en": "t"},
        "body": {"en": "b"},
        "action": {"label": {"en": "Go"}, "url": "/x"},
        "email": {
            "subject": {"en": "{{ links.preferences }} s"},
            "preheader": {"en": "p"},
            "blocks": [
                {"kind": "text", "text": {"en": "**Hi** [out]({{ links.unsubscribe }}) [in](/in)"}},
                {"kind": "button", "label": {"en": "Go"}, "url": "https://x.example/"},
            ],
        },
        "tracking": {"opens": True, "clicks": True},
    }
    made = compile_template("t", TemplateConfig.model_validate(document), site="https://casino.example")
    contents = render_contents(made, ["best"], locale="en", fallback_locale="en", variables={})
    for channel, content in contents.items():
        out = ready(content, channel=channel)
        assert not re.search("[\uf580-\uf5bf]", repr(out).encode().decode("unicode_escape") + repr(out))
        if channel == "email":
            kinds = [follow(url).kind for url in hrefs(out["html"])]
            assert kinds == ["unsubscribe", "click", "click"]


EVIL = "https://evil.example/login"


@pytest.mark.parametrize(
    ("section", "channel"),
    [
        pytest.param(
            {"sms": {"text": {"en": "Hi {{ player.traits.name }}, https://t.example/a?p={{ event.p }}"}}},
            "sms",
            id="sms",
        ),
        pytest.param(
            {"title": {"en": "https://t.example/a?p={{ event.p }} for {{ player.traits.name }}"}},
            "messenger",
            id="messenger",
        ),
        pytest.param({"action": {"label": {"en": "Go"}, "url": "{{ player.traits.name }}"}}, "push", id="a button"),
        pytest.param(
            {"action": {"label": {"en": "Go"}, "url": "https://t.example{{ event.host }}/"}}, "push", id="a host"
        ),
        pytest.param(
            {
                "email": {
                    "subject": {"en": "s"},
                    "blocks": [
                        {
                            "kind": "text",
                            "text": {"en": "[a](https://t.example/a?p={{ event.p }}) [b]({{ player.traits.name }})"},
                        },
                        {"kind": "button", "label": {"en": "Go"}, "url": "{{ player.traits.name }}"},
                    ],
                }
            },
            "email",
            id="mail",
        ),
    ],
)
def test_what_a_player_brings_never_becomes_a_link_that_we_sign(section: dict[str, Any], channel: str) -> None:
    document = {"channel": channel, "title": {"en": "t"}, "body": {"en": "b"}, "tracking": {"clicks": True}} | section
    made = compile_template("t", TemplateConfig.model_validate(document), site="https://casino.example")
    variables = {"player": {"traits": {"name": EVIL}}, "event": {"p": "1", "host": ".evil.example"}}
    contents = render_contents(made, [channel], locale="en", fallback_locale="en", variables=variables)
    out = repr(ready(contents[channel], channel=channel))
    tokens = re.findall(r"https://play\.example/r/([\w-]+)", out)
    targets = [link.target for token in tokens if (link := read(SECRET, token, "click"))]
    assert len(targets) == len(tokens)
    assert set(targets) == (set() if channel == "push" else {"https://t.example/a?p=1"})
    assert EVIL in out or "evil" in out


@pytest.mark.parametrize(
    ("source", "url", "is_followed"),
    [
        ("see https://a.example/x.", "https://a.example/x", True),
        ("see https://a.example/x.", "https://a.example/xy", False),
        ("(https://a.example/x_(b)), go", "https://a.example/x_(b)", True),
        ("[go](https://a.example/x)[b](https://b.example)", "https://a.example/x", True),
        ("**https://a.example/x**", "https://a.example/x", True),
        ("https://a.example/{{ x }}/y", "https://a.example/1/y", True),
        ("https://a.example?q={{ x }}", "https://a.example?q=1", True),
        ("https://a.example{{ x }}", "https://a.example.evil.example", False),
        ("https://{{ x }}/", "https://evil.example/", False),
        ("{{ x }}", "https://evil.example/", False),
        ("/games/{{ x }}", "https://casino.example/games/1", True),
        ("/games/{{ x }}", "https://casino.example.evil.example/", False),
    ],
)
def test_only_the_templates_own_addresses_are_followed(source: str, url: str, is_followed: bool) -> None:
    assert followed_of([source], "https://casino.example/").allows(url) is is_followed


def test_a_content_without_a_list_is_not_followed() -> None:
    made = ready({"text": "https://x.example/", "tracking": {"clicks": True}}, channel="sms")
    assert made["text"] == "https://x.example/"
