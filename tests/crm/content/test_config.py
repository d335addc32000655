"""What is refused in a template's sections, and where it says so."""

from typing import Any

import pytest
from pydantic import ValidationError

from crm.config import TemplateConfig
from crm.vocabulary import unknown_names

PLAIN: dict[str, Any] = {"channel": "email", "title": {"en": "t"}, "body": {"en": "b"}}


def mail(*blocks: Any, **more: Any) -> dict[str, Any]:
    return PLAIN | {"email": {"subject": {"en": "s"}, "blocks": list(blocks), **more}}


def nested(levels: int) -> Any:
    return {"x": nested(levels - 1)} if levels else "{{ event.name }}"


@pytest.mark.parametrize(
    ("document", "path", "said"),
    [
        pytest.param(mail(), "email.blocks", "at least 1 item", id="a mail says something"),
        pytest.param(mail({"kind": "video"}), "email.blocks.0", "'heading', 'text'", id="an unknown block"),
        pytest.param(
            mail({"kind": "text", "text": {"en": "ok", "uk": "a\n{{ x | nope }}"}}),
            "email.blocks.0.text.text",
            "uk: expected Liquid, got in line 2: unknown filter 'nope'",
            id="liquid of a block",
        ),
        pytest.param(
            mail({"kind": "button", "label": {"en": "x"}, "url": "javascript:x"}),
            "email.blocks.0.button.url",
            "expected a path, or an http or https address",
            id="an address that runs",
        ),
        pytest.param(
            mail({"kind": "list", "for": "x }}{{ y", "text": {"en": "x"}}),
            "email.blocks.0.list.for",
            "pattern",
            id="a list of more than a name",
        ),
        pytest.param(
            mail({"kind": "columns", "columns": [[{"kind": "columns", "columns": [[], []]}], []]}),
            "email.blocks.0.columns.columns.0.0",
            "expected tags",
            id="columns in columns",
        ),
        pytest.param(
            mail({"kind": "text", "text": {"en": "x"}, "html": "<b>"}), "email.blocks.0.text.html", "Extra", id="html"
        ),
        pytest.param(mail(*[{"kind": "divider"}] * 51), "email.blocks", "at most 50", id="too many blocks"),
        pytest.param(
            mail(*[{"kind": "columns", "columns": [[{"kind": "divider"}] * 10] * 4}] * 2),
            "email.blocks",
            "at most 50 blocks with those in columns, got 82",
            id="too many in columns",
        ),
        pytest.param(PLAIN | {"sms": {"text": {}}}, "sms.text", "at least 1", id="an sms says something"),
        pytest.param(PLAIN | {"sms": {"text": {"e n": "x"}}}, "sms.text", "expected a language", id="no language"),
        pytest.param(
            PLAIN | {"webhook": {"payload": {"a": [{"b": "{{ x"}]}}},
            "webhook.payload",
            "a.0.b: expected Liquid, got in line 1: a tag that is not closed",
            id="liquid of a payload",
        ),
        pytest.param(PLAIN | {"webhook": {"payload": {"a": float("nan")}}}, "webhook.payload", "JSON", id="no JSON"),
        pytest.param(PLAIN | {"webhook": {"payload": nested(12)}}, "webhook.payload", "at most 10 levels", id="deep"),
        pytest.param(
            PLAIN | {"webhook": {"payload": {"a": "x" * 20_000}}}, "webhook.payload", "at most 16384", id="long payload"
        ),
        pytest.param(
            PLAIN | {"tones": {"dry": {"subject": {"en": "x"}}}},
            "",
            "expected `email` in the template",
            id="lone subject",
        ),
        pytest.param(PLAIN | {"variables": ["links"]}, "variables", "names of your own", id="links are taken"),
        pytest.param(PLAIN | {"tracking": {"opens": "often"}}, "tracking.opens", "boolean", id="tracking"),
    ],
)
def test_a_section_that_is_wrong_is_refused_with_its_path(document: Any, path: str, said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TemplateConfig.model_validate(document)
    errors = {".".join(map(str, error["loc"])): error["msg"] for error in caught.value.errors()}
    assert path in errors
    assert said in errors[path]


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (PLAIN | {"sms": {"text": {"uk": "a\n{{ plyer.id }}"}}}, "sms.text: uk: line 2: there is no 'plyer'"),
        (
            mail({"kind": "text", "text": {"en": "{{ player.trats.x }}"}}),
            "email.blocks.0.text: en: line 1: 'player' has",
        ),
        (
            mail({"kind": "text", "text": {"en": "{{ item.name }}"}}),
            "email.blocks.0.text: en: line 1: there is no 'item'",
        ),
        (mail({"kind": "list", "for": "mission.x", "text": {"en": "{{ item.name }}"}}), "'mission' has no 'x'"),
        (
            mail({"kind": "columns", "columns": [[], [{"kind": "image", "url": "{{ nope }}", "alt": {"en": "x"}}]]}),
            "email.blocks.0.columns.1.0.url: line 1: there is no 'nope'",
        ),
        (
            PLAIN | {"webhook": {"payload": {"a": {"b": "{{ nope }}"}}}},
            "webhook.payload.a.b: line 1: there is no 'nope'",
        ),
        (PLAIN | {"sms": {"text": {"en": "{{ links.unsub }}"}}}, "did you mean 'unsubscribe'?"),
        (
            PLAIN | {"sms": {"text": {"en": "x\n{{ links.unsubscribe | upcase }}"}}},
            "sms.text: en: line 2: expected a link as it is, {{ links.unsubscribe }}, got",
        ),
        (PLAIN | {"push": {"icon": "/{{ nope }}"}}, "push.icon: line 1: there is no 'nope'"),
        (
            PLAIN | {"messenger": {"text": {"en": "x"}, "button": {"label": {"en": "{{ nope }}"}, "url": "/"}}},
            "messenger.button.label: en: line 1: there is no 'nope'",
        ),
    ],
)
def test_a_name_that_does_not_exist_is_shown_where_it_stands(document: Any, problem: str) -> None:
    found = list(unknown_names(TemplateConfig.model_validate(document)))
    assert len(found) == 1
    assert problem in found[0]


def test_a_list_may_say_item_and_what_is_declared() -> None:
    block = {"kind": "list", "for": "messages", "text": {"en": "{{ item.title }} {{ player.id }}"}}
    assert list(unknown_names(TemplateConfig.model_validate(mail(block) | {"variables": ["messages"]}))) == []
