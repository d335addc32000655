"""What a template comes to in each channel: with a section of its own, and without."""

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.config import TemplateConfig
from crm.content import CHANNELS, render_contents
from crm.content import render as rendering
from crm.markers import LINKS, marker
from crm.preview import preview
from crm.templates import Template, compile_template, render
from crm.vocabulary import unknown_names

TITLE, BODY = {"en": "Hi {{ player.traits.first_name }}", "uk": "Привіт"}, {"en": "{{ player.balance.points }} points"}


def template(site: str = "https://casino.example", **more: Any) -> Template:
    document = {"channel": "email", "title": TITLE, "body": BODY, **more}
    config = TemplateConfig.model_validate(document)
    assert list(unknown_names(config)) == []
    return compile_template("come-back", config, site=site)


def player(first_name: Any = "Ada", **traits: Any) -> dict[str, Any]:
    return {"player": {"traits": {"first_name": first_name, **traits}, "balance": {"points": 25}}}


def said(made: Template, channel: str, variables: Any = None, locale: str = "en") -> dict[str, Any]:
    variables = player() if variables is None else variables
    return render_contents(made, [channel], locale=locale, fallback_locale="en", variables=variables)[channel]


def email(*blocks: dict[str, Any], **more: Any) -> Template:
    return template(email={"subject": {"en": "Hello"}, "blocks": list(blocks), **more})


class Page(HTMLParser):
    """What a mail program sees."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._hidden = 0
        self.feed(html[html.index("<body") :])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.words.append(data.strip())

    def links(self) -> list[str | None]:
        return [attributes.get("href") for tag, attributes in self.tags if tag == "a"]


ACTION = {"label": {"en": "Play"}, "url": "/lobby"}


def test_a_channel_without_a_section_says_title_body_and_action() -> None:
    made = template(action=ACTION)
    contents = render_contents(made, CHANNELS, locale="en", fallback_locale="en", variables=player())
    page = Page(contents["email"].pop("html"))
    assert page.words == ["25 points", "Play"]
    assert page.links() == ["https://casino.example/lobby"]
    assert contents == {
        "in_app": {"title": "Hi Ada", "body": "25 points", "action": {"label": "Play", "url": "/lobby"}},
        "email": {
            "subject": "Hi Ada",
            "text": "25 points\n\nPlay: https://casino.example/lobby\n",
            "language": "en",
        },
        "sms": {"text": "25 points https://casino.example/lobby"},
        "push": {"title": "Hi Ada", "body": "25 points", "url": "https://casino.example/lobby"},
        "messenger": {"text": "Hi Ada\n25 points", "label": "Play", "url": "https://casino.example/lobby"},
        "webhook": {
            "payload": {
                "template": "come-back",
                "player_id": marker("player_id"),
                "title": "Hi Ada",
                "body": "25 points",
                "action": {"label": "Play", "url": "https://casino.example/lobby"},
            }
        },
    }


def test_best_stands_for_every_channel_and_an_unknown_one_for_none() -> None:
    made = template()
    assert set(render_contents(made, ["best"], locale="en", fallback_locale="en", variables={})) == set(CHANNELS)
    assert render_contents(made, ["pigeon"], locale="en", fallback_locale="en", variables={}) == {}


def test_in_app_is_what_render_gives() -> None:
    made = template(action=ACTION, sms={"text": {"en": "s"}})
    assert said(made, "in_app") == render(made, locale="en", fallback_locale="en", variables=player())


def test_without_a_site_a_path_leads_nowhere_and_is_left_out() -> None:
    made = template(site="", action=ACTION)
    assert said(made, "sms") == {"text": "25 points", "degraded": True}
    assert said(made, "push") == {"title": "Hi Ada", "body": "25 points", "degraded": True}
    page = Page(said(made, "email")["html"])
    assert (page.links(), page.words) == ([], ["25 points"])


def test_sections_say_it_their_own_way() -> None:
    made = template(
        sms={"text": {"en": "SMS {{ player.balance.points }}"}},
        push={"title": {"en": "Push!"}, "icon": "https://cdn.example/i.png", "image": "/big.png"},
        messenger={"text": {"en": "Chat"}, "button": {"label": {"en": "Open"}, "url": "https://casino.example/m"}},
    )
    assert said(made, "sms") == {"text": "SMS 25"}
    assert said(made, "push") == {
        "title": "Push!",
        "body": "25 points",
        "icon": "https://cdn.example/i.png",
        "image": "https://casino.example/big.png",
    }
    assert said(made, "messenger") == {"text": "Chat", "label": "Open", "url": "https://casino.example/m"}


def test_the_language_and_the_tone_are_picked_as_for_the_title() -> None:
    made = template(
        sms={"text": {"en": "come", "uk": "заходь"}},
        tones={"friendly": {"body": {"en": "hey"}, "sms": {"en": "hey you"}}},
    )
    assert said(made, "sms", locale="uk-UA")["text"] == "заходь"
    assert said(made, "sms", {**player(), "tone": "friendly"})["text"] == "hey you"
    assert said(made, "sms", {**player(), "tone": "friendly"}, locale="uk")["text"] == "заходь"
    assert said(made, "messenger", player(tone="friendly"))["text"] == "Hi Ada\nhey"
    assert said(made, "email", locale="uk")["language"] == "uk"
    assert 'lang="uk"' in said(made, "email", locale="uk")["html"][:60]


BLOCKS: list[dict[str, Any]] = [
    {"kind": "heading", "text": {"en": "Hello {{ player.traits.first_name }}"}},
    {"kind": "text", "text": {"en": "You have **{{ player.balance.points }}** *fine* points.\nSee [us](/faq)."}},
    {"kind": "button", "label": {"en": "Play"}, "url": "https://casino.example/play?a=1&b=2"},
    {"kind": "image", "url": "https://cdn.example/cat.png", "alt": {"en": "A cat"}, "link": "/cats", "width": 200},
    {"kind": "divider"},
    {"kind": "spacer", "height": 10},
    {
        "kind": "columns",
        "columns": [[{"kind": "text", "text": {"en": "left"}}], [{"kind": "text", "text": {"en": "right"}}]],
    },
    {"kind": "list", "for": "missions", "text": {"en": "{{ item.name }}: {{ item.progress }}%"}, "limit": 2},
]


def test_a_mail_of_all_blocks_is_a_page_and_a_text() -> None:
    missions = [{"name": f"Bet & win {n}", "progress": n} for n in range(4)]
    made = said(
        email(*BLOCKS, preheader={"en": "Look"}, from_name={"en": "Lucky"}), "email", player() | {"missions": missions}
    )
    page = Page(made["html"])
    assert [word for word in page.words if word.isprintable() and word != "\xa0"] == [
        *("Look", "Hello Ada", "You have", "25", "fine", "points.", "See", "us", ".", "Play", "left", "right"),
        *("Bet & win 0: 0%", "Bet & win 1: 1%"),
    ]
    assert page.links() == [
        "https://casino.example/faq",
        "https://casino.example/play?a=1&b=2",
        "https://casino.example/cats",
    ]
    assert ("strong", {}) in page.tags
    assert ("em", {}) in page.tags
    assert next(a for tag, a in page.tags if tag == "img")["alt"] == "A cat"
    assert {name: value for name, value in made.items() if name != "html"} == {
        "subject": "Hello",
        "preheader": "Look",
        "from_name": "Lucky",
        "language": "en",
        "text": "Hello Ada\n\nYou have 25 fine points.\nSee us (https://casino.example/faq).\n\n"
        "Play: https://casino.example/play?a=1&b=2\n\nA cat https://casino.example/cats\n\n"
        f"{'-' * 40}\n\nleft\n\nright\n\n- Bet & win 0: 0%\n- Bet & win 1: 1%\n",
    }


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "//evil.example", "", 'x" onload="y'])
def test_a_button_whose_address_is_not_safe_is_not_there(url: str) -> None:
    made = email({"kind": "button", "label": {"en": "Go"}, "url": "{{ player.traits.url }}"})
    content = said(made, "email", player(url=url))
    page = Page(content["html"])
    assert (page.links(), page.words, content["text"].strip()) == ([], [], "")
    assert content["degraded"] is True


def test_what_is_empty_takes_no_room() -> None:
    full = said(email({"kind": "text", "text": {"en": "{{ player.traits.x }}"}}), "email", player(x="y"))["html"]
    empty = said(email({"kind": "text", "text": {"en": "{{ player.traits.x }}"}}), "email")["html"]
    assert full.count("<td") == empty.count("<td") + 1
    assert "@@" not in full + empty


HOSTILE = [
    "<script>alert(1)</script>",
    '" onmouseover="alert(1)',
    "**bold** [x](https://evil.example)",
    "\uf5a5https://evil.example\uf5a6x\uf5a7",
    f"{marker('unsubscribe')}",
    "{{ player.traits.password }}",
    "@@2@@",
    "<b>",
    "&lt;b&gt;",
    "\uf5a1x\uf5a2\uf5a8",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_what_a_player_is_called_stays_a_text(name: str) -> None:
    blocks = [
        {"kind": "text", "text": {"en": "**Dear** {{ player.traits.first_name }}"}},
        {"kind": "button", "label": {"en": "{{ player.traits.first_name }}"}, "url": "/x"},
        {"kind": "image", "url": "/x.png", "alt": {"en": "{{ player.traits.first_name }}"}},
        {"kind": "list", "for": "missions", "text": {"en": "{{ item.name }}"}},
    ]
    made = email(*blocks, preheader={"en": "{{ player.traits.first_name }}"})
    calm = Page(said(made, "email", player("Ada") | {"missions": [{"name": "Ada"}]})["html"])
    content = said(made, "email", player(name) | {"missions": [{"name": name}]})
    page = Page(content["html"])
    shown = re.sub("[\uf580-\uf5bf]", "", name)
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in calm.tags], "a tag more or less"
    assert page.links() == calm.links()
    assert " ".join(page.words).count(shown.strip()) == 4
    assert not re.search("[\uf580-\uf5bf]", json.dumps(content, ensure_ascii=False))


@pytest.mark.parametrize(
    "source",
    [
        "{{ player.traits.percent | url_decode }}",
        "{{ player.traits.base64 | base64_decode }}",
        "{% assign x = player.traits.first_name %}{{ x }}",
        "{% for c in player.traits.names %}{{ c }}{% endfor %}",
        "{{ player.traits.names }}",
        "{{ player.traits.names | join: '' }}",
        "{{ player[which] }}",
    ],
)
def test_nobody_forges_a_link_however_a_text_is_made(source: str) -> None:
    mark = marker("unsubscribe")
    coded = {"percent": "%EF%96%A0unsubscribe%EF%96%A0", "base64": "75agdW5zdWJzY3JpYmXvlqA="}
    variables = player(mark, names=[mark, {mark: mark}], **coded) | {"which": "traits"}
    text = said(template(sms={"text": {"en": source}}, variables=["which"]), "sms", variables)["text"]
    assert "unsubscribe" in text
    assert "\uf5a0" not in text


def test_a_link_stands_where_its_writer_put_it() -> None:
    made = email(
        {
            "kind": "text",
            "text": {
                "en": "{% if player.traits.vip %}{{ links.preferences }}{% endif %} [out]({{ links.unsubscribe }})"
            },
        },
        {"kind": "button", "label": {"en": "Yes"}, "url": "{{ links.confirm }}"},
    )
    content = said(made, "email", player(vip=True))
    assert Page(content["html"]).links() == [LINKS["unsubscribe"], LINKS["confirm"]]
    assert LINKS["preferences"] in content["html"]
    assert f"out ({LINKS['unsubscribe']})" in content["text"]
    assert LINKS["preferences"] not in said(made, "email")["html"]


def test_in_app_has_no_links_and_a_caller_brings_none() -> None:
    made = template(title={"en": "t {{ links.unsubscribe }}"})
    assert said(made, "in_app", {"links": {"unsubscribe": "https://evil.example"}})["title"] == "t "
    assert said(made, "messenger", {"links": {"unsubscribe": "https://evil.example"}})["text"].startswith(
        f"t {LINKS['unsubscribe']}"
    )
    assert said(made, "in_app")["title"] == "t ", "the text of another channel is remembered"


def test_a_payload_holds_values_and_no_quote_breaks_it() -> None:
    payload = {
        "points": "{{ player.balance.points }}",
        "name": "{{ player.traits.first_name }}",
        "said": "Hi {{ player.traits.first_name }}",
        "list": ["{{ player.traits.nothing }}", 3, True, None],
        "tags": "{{ player.traits.tags }}",
        "deep": {"loud": "{{ player.traits.first_name | upcase }}", "plain": "x"},
    }
    made = template(webhook={"payload": payload})
    content = said(made, "webhook", player('A"da\\', tags=["a", "\uf5a0b"]))
    assert json.loads(json.dumps(content["payload"])) == {
        "points": 25,
        "name": 'A"da\\',
        "said": 'Hi A"da\\',
        "list": [None, 3, True, None],
        "tags": ["a", "b"],
        "deep": {"loud": 'A"DA\\', "plain": "x"},
    }


def test_a_payload_that_is_too_long_gives_way_to_the_plain_one() -> None:
    made = template(webhook={"payload": {"all": "{{ player.traits }}"}})
    content = said(made, "webhook", player(long="x" * rendering.PAYLOAD_BYTES_MAX))
    assert content["degraded"] is True
    assert content["payload"]["title"] == "Hi Ada"


@pytest.mark.parametrize(
    ("channel", "size"),
    [
        pytest.param("sms", lambda made: len(made["text"]) - rendering.SMS_CHARS_MAX, id="sms"),
        pytest.param("messenger", lambda made: len(made["text"]) - rendering.MESSENGER_CHARS_MAX, id="messenger"),
        pytest.param(
            "push",
            lambda made: (
                len(json.dumps({k: v for k, v in made.items() if k != "degraded"}, ensure_ascii=False).encode())
                - rendering.PUSH_BYTES_MAX
            ),
            id="push",
        ),
        pytest.param("email", lambda made: len(made["html"].encode()) - rendering.HTML_BYTES_MAX, id="email"),
    ],
)
def test_no_channel_says_more_than_it_may(channel: str, size: Any) -> None:
    made = template(body={"en": "{{ player.traits.long }}"}, action=ACTION, push={"image": "https://x.example/i"})
    content = said(made, channel, player(long="<ї" * 45_000))
    assert content["degraded"] is True
    assert -200_000 <= size(content) <= 0
    if channel != "email":
        assert content["url" if channel != "sms" else "text"].endswith("https://casino.example/lobby")


def test_a_text_that_cannot_be_filled_goes_out_plain() -> None:
    made = template(sms={"text": {"en": "You won {{ 1 | divided_by: 0 }} points"}})
    assert said(made, "sms") == {"text": "You won points", "degraded": True}


def test_what_is_measured_is_told_to_who_sends() -> None:
    made = template(tracking={"opens": True, "clicks": True}, action=ACTION)
    followed = made.followed.plain()
    assert said(made, "email")["tracking"] == {"opens": True, "clicks": True, **followed}
    assert said(made, "sms")["tracking"] == {"clicks": True, **followed}
    assert "whole" not in said(template(tracking={"opens": True}, action=ACTION), "email")["tracking"]
    assert "tracking" not in said(made, "webhook")
    assert "tracking" not in said(template(), "email")


def test_a_preview_shows_every_channel_and_where_links_will_stand() -> None:
    made = email({"kind": "text", "text": {"en": "[out]({{ links.unsubscribe }})"}})
    shown = preview(made, locale="en", fallback_locale="en", variables=player())
    assert set(shown["contents"]) == set(CHANNELS) - {"in_app"}
    assert Page(shown["contents"]["email"]["html"]).links() == ["#unsubscribe"]
    assert shown["contents"]["webhook"]["payload"]["player_id"] == "#player_id"


def test_what_a_section_names_is_computed() -> None:
    made = template(sms={"text": {"en": "{{ event.name }} {{ player.level }}"}})
    assert {"event", "player"} <= made.names
    assert "level" in made.parts


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=8,
)
HOSTILE_WORDS = "[{{ player.traits.a }}]({{ player.traits.b }}) **{{ player.traits.b }}**"
ALL = template(
    action={"label": {"en": "{{ player.traits.a }}"}, "url": "{{ player.traits.b }}"},
    email={
        "subject": {"en": "{{ player.traits.a }}"},
        "blocks": [*BLOCKS, {"kind": "text", "text": {"en": HOSTILE_WORDS}}],
    },
    webhook={"payload": {"a": "{{ player.traits.a }}", "b": "x{{ player.traits.b }}"}},
)
CALM_TAGS = {"html", "body", "div", "table", "tbody", "tr", "td", "p", "a", "img", "strong", "em", "br", "ul", "li"}


@given(a=JSON, b=JSON, missions=JSON)
def test_whatever_a_player_brings_every_channel_says_something_safe(a: Any, b: Any, missions: Any) -> None:
    variables = {"player": {"traits": {"first_name": a, "a": a, "b": b}, "balance": b}, "missions": missions}
    contents = render_contents(ALL, ["best"], locale="en", fallback_locale="en", variables=variables)
    json.dumps(contents["webhook"], allow_nan=False)
    assert "\n" not in contents["email"]["subject"]
    page = Page(contents["email"]["html"])
    assert {tag for tag, _ in page.tags} <= CALM_TAGS
    assert all(link and link.startswith(("http://", "https://")) for link in page.links())
    assert all(not name.startswith("on") for _, attributes in page.tags for name in attributes)
