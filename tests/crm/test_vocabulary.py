"""What a template may name, what its writer is told, and the tones it can speak in."""

from typing import Any

import pytest

from crm.config import TemplateConfig
from crm.preview import preview
from crm.templates import compile_template, render, tone_of
from crm.vocabulary import ROOTS, unknown_names


def config(body: Any = "b", **more: Any) -> TemplateConfig:
    texts = body if isinstance(body, dict) else {"en": body}
    return TemplateConfig.model_validate({"channel": "in_app", "title": {"en": "t"}, "body": texts, **more})


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("{{ plyer.id }}", "body: en: line 1: there is no 'plyer', did you mean 'player'?"),
        ("a\nb\n{{ player.trait.x }}", "body: en: line 3: 'player' has no 'trait', did you mean 'traits'?"),
        ("{% if mission.nmae %}{% endif %}", "body: en: line 1: 'mission' has no 'nmae', did you mean 'name'?"),
        ("{{ player['balanse'].points }}", "'player' has no 'balanse', did you mean 'balance'?"),
        ("{% for m in misions %}{{ m.name }}{% endfor %}", "there is no 'misions', did you mean 'mission"),
        ("{{ x | default: amuont }}", "there is no 'amuont', did you mean 'amount'?"),
        ("{% assign x = nope %}{{ x }}", "there is no 'nope', expected one of player event"),
        ("{{ now.day }}", "'now' has no 'day'"),
    ],
)
def test_a_name_that_does_not_exist_is_refused_with_its_line_and_the_nearest(source: str, problem: str) -> None:
    (found,) = unknown_names(config(source, variables=["amount", "x"]))
    assert problem in found


@pytest.mark.parametrize(
    "source",
    [
        "{{ player.traits.anything.below }} {{ player.balance.gems }} {{ player.levels.main }} {{ player }}",
        "{% for m in missions %}{{ m.name }}{{ forloop.index }}{% endfor %}{{ missions.size }}{{ missions[0].id }}",
        "{% assign a = player.id %}{{ a }}{% capture b %}x{% endcapture %}{{ b }}{% increment c %}",
        "{{ player[event.name] }} {{ journey.data.cart }} {{ event.properties.amount }} {{ now.weekday }}",
        "{{ amount }} {{ amount.currency }} {% for m in recommendations.missions %}{{ m.progress }}{% endfor %}",
        "no tags at all, only { braces } and words",
    ],
)
def test_what_is_known_declared_or_made_in_the_template_passes(source: str) -> None:
    assert list(unknown_names(config(source, variables=["amount"]))) == []


def test_every_text_is_looked_at() -> None:
    document = config(
        {"en": "b", "uk": "{{ q1 }}"},
        tones={"formal": {"title": {"en": "{{ q2 }}"}}},
        action={"label": {"en": "{{ q3 }}"}, "url": "/x/{{ q4 }}"},
    )
    assert [problem.split("expected")[0].rstrip(", ") for problem in unknown_names(document)] == [
        "body: uk: line 1: there is no 'q1'",
        "tones.formal.title: en: line 1: there is no 'q2'",
        "action.label: en: line 1: there is no 'q3'",
        "action.url: line 1: there is no 'q4'",
    ]


def test_a_declared_variable_is_not_a_word_that_exists() -> None:
    with pytest.raises(ValueError, match="every template has player already"):
        config(variables=["player"])
    with pytest.raises(ValueError, match="variables"):
        config(variables=["first-name"])


def test_a_template_knows_what_it_needs() -> None:
    def needs(body: str) -> tuple[set[str], tuple[str, ...]]:
        template = compile_template("t", config(body))
        return set(template.names), template.parts

    assert needs("{{ player.balance.points }}{{ player.id }}{{ code }}") == ({"player", "code"}, ("balance", "id"))
    assert needs("{{ player[x] }}{{ player.id }}") == ({"player", "x"}, ("?", "id"))
    assert needs("{{ player }}") == ({"player"}, ("?",))
    assert needs("plain") == (set(), ())


FRIENDLY = config(
    {"en": "Good day", "uk": "Добрий день"},
    tones={"friendly": {"body": {"en": "Hey"}}, "formal": {"title": {"en": "Sir"}, "body": {"uk": "Шановні"}}},
)


@pytest.mark.parametrize(
    ("asked", "trait", "locale", "body", "why"),
    [
        (None, None, "en", "Good day", ("", "base")),
        ("friendly", None, "en", "Hey", ("friendly", "asked")),
        (None, "friendly", "en-GB", "Hey", ("friendly", "trait")),
        ("formal", "friendly", "uk", "Шановні", ("formal", "asked")),
        ("friendly", None, "uk", "Добрий день", ("friendly", "asked")),
        ("rude", "friendly", "en", "Hey", ("friendly", "trait")),
        (["x"], {"y": 1}, "en", "Good day", ("", "base")),
    ],
)
def test_the_tone_asked_for_wins_over_the_trait_and_language_over_tone(
    asked: Any, trait: Any, locale: str, body: str, why: tuple[str, str]
) -> None:
    template = compile_template("t", FRIENDLY)
    variables = {"tone": asked, "player": {"traits": {"tone": trait}}}
    assert render(template, locale=locale, fallback_locale="en", variables=variables)["body"] == body
    assert tone_of(template, variables) == why


def test_a_preview_is_what_would_be_sent_and_says_why_a_text_failed() -> None:
    broken = compile_template("t", config("Sum {{ 1 | divided_by: player.traits.n }}"))
    variables = {"player": {"traits": {"n": 0}}}
    shown = preview(broken, locale="", fallback_locale="", variables=variables)
    assert shown["content"] == render(broken, locale="", fallback_locale="", variables=variables)
    assert "divi" in shown["languages"]["en"]["errors"]["body"]
    assert shown["languages"]["en"]["body"] == "Sum"
    link = compile_template("t", config(action={"label": {"en": "Go"}, "url": "{{ event.properties.url }}"}))
    shown = preview(link, locale="", fallback_locale="", variables={"event": {"properties": {"url": "javascript:1"}}})
    assert "expected a path" in shown["languages"]["en"]["errors"]["url"]
    assert shown["content"]["degraded"] is True


def test_words_that_rules_bring_are_known() -> None:
    assert ROOTS.keys() >= {"mission", "achievement", "level", "journey", "event", "player", "missions", "now"}
