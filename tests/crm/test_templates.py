"""Templates: languages, missing and hostile variables, and sources that try to never end."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.config import TemplateConfig
from crm.templates import Template, compile_template, render, safe_url, syntax_error

ANN = {"player": {"traits": {"first_name": "Ann"}, "level": "gold"}}


def template(title: Any = "Hi", body: Any = "Come back", **action: Any) -> Template:
    def texts(source: Any) -> dict[str, str]:
        return source if isinstance(source, dict) else {"en": source}

    document = {"channel": "in_app", "title": texts(title), "body": texts(body)}
    if action:
        document["action"] = {"label": {"en": "Play"}, **action}
    return compile_template("come-back", TemplateConfig.model_validate(document))


def filled(source: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
    return render(
        template(body=source), locale="en", fallback_locale="en", variables=ANN if variables is None else variables
    )


def body(source: str, variables: dict[str, Any] | None = None) -> str:
    content = filled(source, variables)
    assert "degraded" not in content
    return str(content["body"])


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Hi {{ player.traits.first_name }}!", "Hi Ann!"),
        ("{% if player.level == 'gold' %}Gold{% else %}Hi{% endif %}", "Gold"),
        ("Hi {{ player.traits.surname }}!", "Hi !"),
        ("Hi {{ event.properties.game.name | default: 'there' }}", "Hi there"),
        ("{% for i in (1..3) %}{{ i }}{% endfor %}", "123"),
        ("{{ 'a-b' | split: '-' | join: '+' | upcase }}", "A+B"),
        ("{{ '2026-03-10T12:00:00+02:00' | date: '%d.%m.%Y %H:%M' }}", "10.03.2026 12:00"),
        ("{{ 0 | date: '%Y' }}", "1970"),
        pytest.param("{{ now }}{{ today }}{{ 'now' | date: '%Y' }}", "now", id="no clock to read"),
        pytest.param("{{ player.__class__ }}{{ player['__class__']['__mro__'] }}", "", id="no Python to reach"),
        pytest.param("{{ player.traits.items }}{{ player.traits.keys }}", "", id="no methods to call"),
    ],
)
def test_what_a_template_says(source: str, text: str) -> None:
    assert body(source) == text


@pytest.mark.parametrize(
    ("locale", "fallback", "text"),
    [
        pytest.param("uk-UA", "de", "uk", id="the language without its region"),
        pytest.param("pt_BR", "de", "pt-br", id="either spelling"),
        pytest.param("fr", "de-AT", "de", id="the programme's"),
        pytest.param("fr", "it", "en", id="English"),
        pytest.param("", "", "en", id="nothing known"),
    ],
)
def test_which_language_is_taken(locale: str, fallback: str, text: str) -> None:
    texts = {"de": "de", "uk": "uk", "pt-BR": "pt-br", "en": "en"}
    content = render(template(body=texts), locale=locale, fallback_locale=fallback, variables={})
    assert content["body"] == text


def test_without_any_of_them_the_first_language_written_is_taken() -> None:
    assert (
        render(template(body={"pl": "tak", "cs": "ano"}), locale="fr", fallback_locale="it", variables={})["body"]
        == "tak"
    )


@pytest.mark.parametrize(
    ("url", "variables", "action"),
    [
        ("/games/{{ game }}", {"game": "chess"}, {"label": "Play", "url": "/games/chess"}),
        ("https://play.example/{{ game }}", {}, {"label": "Play", "url": "https://play.example/"}),
        ("{{ link }}", {"link": "javascript:alert(1)"}, None),
        ("{{ link }}", {"link": "//evil.example"}, None),
        ("/games/{{ game }}", {"game": "a b\n"}, None),
    ],
)
def test_a_button_opens_only_what_is_safe(url: str, variables: dict[str, str], action: Any) -> None:
    content = render(template(url=url), locale="en", fallback_locale="en", variables=variables)
    assert content.get("action") == action
    assert content.get("degraded", False) == (action is None)


@pytest.mark.parametrize(
    "url",
    [
        *("javascript:x", "data:text/html,x", "//evil.example", " /x", "vbscript:x", "", "ftp://x"),
        *("/\\evil.example", "/\\/evil.example", "https:/\\evil.example", "https://good.example\\@evil.example"),
        *("/\t/evil.example", "/x\x00", "/x\x7f", "/x\x85"),
    ],
)
def test_urls_that_are_not_safe(url: str) -> None:
    assert not safe_url(url)


DOUBLING = "{% assign a = 'xxxxxxxxxx' %}" + "{% assign a = a | append: a %}" * 12
BOMBS = {
    "nested loops": "{% for i in (1..1000) %}{% for j in (1..1000) %}x{% endfor %}{% endfor %}",
    "loops in a row": "{% for i in (1..1000) %}{% endfor %}" * 900,
    "a long text": DOUBLING + "{% assign a = a | append: a %}" * 30,
    "replace multiplies": DOUBLING + "{{ a | replace: 'x', a }}",
    "join multiplies": DOUBLING + "{% assign l = a | slice: 0, 5000 | split: '' %}{{ l | join: a }}",
    "lists multiply": "{% assign a = 'x,x' | split: ',' %}" + "{% assign a = a | concat: a %}" * 60,
    "numbers multiply": "{% assign a = 99999 %}" + "{% assign a = a | times: a %}" * 60,
    "filters of a long text": DOUBLING + "{% for i in (1..1000) %}{{ a | upcase | size }}{% endfor %}",
    "conditions on a long text": DOUBLING + "{% for i in (1..1000) %}{% if a contains 'y' %}{% endif %}{% endfor %}",
    "a wide date": "{{ 0 | date: '%99999999d' }}",
    "division by zero": "{{ 1 | divided_by: 0 }}",
}


@pytest.mark.timeout(10)
@pytest.mark.parametrize("source", BOMBS.values(), ids=BOMBS)
def test_a_bomb_stops_fast_and_the_message_goes_out_plain(source: str) -> None:
    content = filled("Come back! " + source)
    assert content["degraded"] is True
    assert content["body"] == "Come back!"
    assert content["title"] == "Hi"


def test_a_title_with_nothing_literal_falls_back_to_the_template_s_name() -> None:
    broken = template(title="{{ 1 | divided_by: 0 }}", body="All {{ 1 | divided_by: 0 }} well")
    content = render(broken, locale="en", fallback_locale="en", variables={})
    assert content == {"title": "come-back", "body": "All well", "degraded": True}


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("a\nb {% if %}", "line 2"),
        ("{{ x | nosuch }}", "nosuch"),
        ("{{ ''.__class__ }}", "expected Liquid"),
        ("{% include 'x' %}", "include"),
        ("{% for i in (1..1000000000) reversed %}{% endfor %}", "range of at most 1000"),
        ("{% assign r = (1..n) %}", "range of at most 1000"),
        ("{{ x | append: (1..n) }}", "range of at most 1000"),
        ("{% if x %}{% for i in (1..n) %}{% endfor %}{% endif %}", "range of at most 1000"),
        ("{" * 60_000, "not closed"),
        ("{%- raw" + " " * 60_000, "not closed"),
        ("{{" + " " * 60_000 + "}}", "50 spaces"),
        ("{{ a" + "[a" * 20_000 + "]" * 20_000 + " }}", "at most 2000 characters"),
        ("{{ a" + "[a" * 900 + " }}", "expected Liquid"),
        ("{{ a }}" * 3_000, "2000 tags"),
        ("{% raw %}" * 100, "20 raw"),
        ("é" * 40_000, "65536 bytes"),
    ],
)
def test_a_source_that_is_refused(source: str, said: str) -> None:
    assert said in syntax_error(source)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("{{ player }}{% if %}"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
)


@given(name=JSON, level=JSON)
def test_no_value_breaks_a_template(name: Any, level: Any) -> None:
    source = (
        "Hi {{ player.traits.first_name }} {{ player.level | upcase | truncate: 9 }}{{ player.level.size }}"
        "{% for x in player.level %}{{ x | plus: 1 | date: '%Y' }}{% endfor %}{% if player.level > 3 %}!{% endif %}"
    )
    content = filled(source, {"player": {"traits": {"first_name": name}, "level": level}})
    assert content["body"].startswith("Hi")


@given(st.text(alphabet="{}%|-. a1'\"()\n", max_size=200))
def test_any_source_is_either_refused_or_renders(source: str) -> None:
    if not syntax_error(source):
        assert isinstance(filled(source)["body"], str)


def test_a_value_is_never_read_as_a_template() -> None:
    assert body("{{ x }}", {"x": "{{ player.level }}"}) == "{{ player.level }}"


REMEMBERED = template(
    title="{{ player.traits.first_name | default: 'you' }}, {{ player.balance.points }} of {{ mission.goal }}",
    body="{% for r in mission.rewards %}{{ r.amount }} {{ r.currency }}{% unless forloop.last %}, {% endunless %}"
    "{% endfor %} ({{ mission.rewards.size }}, {{ mission.size }}){% if player.traits.vip == true %}!{% endif %}"
    "{% if player.traits.last == nil %}-{% endif %}",
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(0, 2),
    st.floats(0, 2),
    st.sampled_from(["", "1", "true"]),
    st.just(["missing"]),
)
REWARDS = st.one_of(SCALARS, st.lists(st.fixed_dictionaries({"amount": SCALARS}, optional={"currency": SCALARS})))


@given(
    st.dictionaries(st.sampled_from(["first_name", "vip", "last", "other"]), SCALARS),
    st.one_of(st.none(), SCALARS, st.dictionaries(st.sampled_from(["points", "gems"]), SCALARS)),
    st.one_of(SCALARS, st.dictionaries(st.sampled_from(["goal", "rewards", "size"]), REWARDS)),
)
def test_a_text_that_is_remembered_is_the_text_that_liquid_makes(traits: Any, balance: Any, mission: Any) -> None:
    variables = {"player": {"traits": traits, "balance": balance}, "mission": mission}
    for _ in range(2):
        content = render(REMEMBERED, locale="en", fallback_locale="en", variables=variables)
        for part, text in (("title", REMEMBERED.title["en"]), ("body", REMEMBERED.body["en"])):
            assert content[part] == text.template.render(variables)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crm.texts._filled", remembered := {})
    monkeypatch.setattr("crm.texts.FILLED_MAX", 3)
    text = template(title="{{ n }}{{ long }}").title["en"]
    for n in range(5):
        assert text.fill({"n": n}) == (str(n), True)
    assert list(remembered.values()) == ["2", "3", "4"]
    assert text.fill({"long": "x" * 3_000})[1]
    assert len(remembered) == 3


@pytest.mark.parametrize(
    "source",
    [
        "{% if event.vip %}{% assign nick = 'VIP' %}{% endif %}{{ nick }}",
        "{% for x in xs %}{% assign nick = x %}{% endfor %}{{ nick }}",
        "{% if event.vip %}{% capture nick %}VIP{% endcapture %}{% endif %}{{ nick }}",
    ],
)
def test_a_name_that_another_branch_assigns_is_still_the_players_own(source: str) -> None:
    text = template(title=source).title["en"]
    assert [text.fill({"event": {}, "xs": [], "nick": nick})[0] for nick in ("Alice", "Bob")] == ["Alice", "Bob"]
