"""Connectors as operators write them: what is accepted, and how a mistake is told."""

from typing import Any

import pytest
from pydantic import ValidationError

from actors.programme import validate_document
from crm.connectors import CHANNEL_OF, LINE_OF, MODELS, READERS, ConnectorConfig, connected_channels, read_connector
from domain.errors import Invalid

SID = "AC" + "0" * 32
GOOD: dict[str, dict[str, Any]] = {
    "smtp": {"host": "mail.example.com", "from": "Lucky <news@example.com>"},
    "twilio": {"account_sid": SID, "auth_token": {"env": "TWILIO_TOKEN"}, "from": "+15005550006"},
    "smpp": {"host": "smsc.example.com", "system_id": "lucky", "password": {"env": "SMPP"}, "source_address": "Lucky"},
    "web_push": {"vapid_private_key": {"file": "/run/secrets/vapid"}, "subject": "mailto:ops@example.com"},
    "fcm": {"project_id": "lucky-app", "service_account": {"file": "/run/secrets/fcm.json"}},
    "telegram": {"token": {"env": "TELEGRAM_TOKEN"}},
    "whatsapp": {"phone_number_id": "106540352242922", "access_token": {"env": "WHATSAPP_TOKEN"}},
    "webhook": {"url": "https://example.com/hook", "secret": {"env": "HOOK_SECRET"}},
    "chat_model": {"model": "small-1", "api_key": {"env": "MODEL_KEY"}},
    "local_model": {},
}


def document(kind: str, **changes: Any) -> dict[str, Any]:
    return {"kind": kind} | GOOD[kind] | changes


def refused(kind: str, **changes: Any) -> tuple[str, str]:
    """Write a document that is refused for one reason; return path and detail."""
    with pytest.raises(Invalid) as error:
        validate_document("connectors", "x", document(kind, **changes))
    (problem,) = error.value.extra["errors"]
    return problem["path"], problem["detail"]


@pytest.mark.parametrize("kind", sorted(GOOD))
def test_what_a_provider_needs_is_enough_and_comes_back_as_written(kind: str) -> None:
    assert validate_document("connectors", "x", document(kind)) == document(kind)
    assert read_connector(document(kind)).kind == kind


def test_every_kind_has_a_line_and_a_model() -> None:
    assert set(GOOD) == set(LINE_OF) == set(MODELS)


def test_what_reads_texts_is_no_channel() -> None:
    assert set(LINE_OF) - set(CHANNEL_OF) == set(READERS) == {"chat_model", "local_model"}
    assert not {LINE_OF[kind] for kind in READERS} & set(CHANNEL_OF.values())
    assert connected_channels({kind: document(kind) for kind in READERS}) == ("in_app",)


def test_channels_are_those_with_a_connector() -> None:
    assert connected_channels({"a": document("smpp"), "b": document("webhook")}) == ("in_app", "sms", "webhook")


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("twilio", "auth_token"),
        ("smpp", "password"),
        ("web_push", "vapid_private_key"),
        ("fcm", "service_account"),
        ("telegram", "token"),
        ("telegram", "hook_secret"),
        ("whatsapp", "access_token"),
        ("webhook", "secret"),
        ("chat_model", "api_key"),
    ],
)
@pytest.mark.parametrize("literal", ["hunter2", {"value": "hunter2"}, ["hunter2"], {"env": "A", "file": "/hunter2"}])
def test_a_secret_that_is_written_out_is_refused_and_not_repeated(kind: str, field: str, literal: Any) -> None:
    path, detail = refused(kind, **{field: literal})
    assert path == field
    assert "expected {env: NAME} or {file: PATH}" in detail
    assert "hunter2" not in detail


@pytest.mark.parametrize(
    ("kind", "changes", "path"),
    [
        ("twilio", {"account_sid": "AC1"}, "account_sid"),
        ("twilio", {"base_url": "ftp://x"}, "base_url"),
        ("twilio", {"base_url": "https://user:pass@x"}, "base_url"),
        ("telegram", {"base_url": "https://x/?a=b"}, "base_url"),
        ("telegram", {"base_url": "https://x:99999"}, "base_url"),
        ("webhook", {"url": "file:///etc/passwd"}, "url"),
        ("webhook", {"url": "https://x/\r\nHost: y"}, "url"),
        ("webhook", {"timeout_s": 11}, "timeout_s"),
        ("webhook", {"secret": {"env": "PLAYTOWER_TOKEN_SECRET"}}, "secret"),
        ("webhook", {"secret": {"file": "/proc/self/environ"}}, "secret"),
        ("webhook", {"secret": {"file": "/run/../etc/shadow"}}, "secret"),
        ("webhook", {"secret": {"file": "secrets/hook"}}, "secret"),
        ("webhook", {"headers": {"Host": "x"}}, ""),
        ("webhook", {"headers": {"Webhook-Id": "x"}}, ""),
        ("webhook", {"headers": {"X-A": "a\r\nX-B: b"}}, ""),
        ("webhook", {"headers": {"X-Api-Key": "hunter2"}}, ""),
        ("web_push", {"subject": "ops@example.com"}, "subject"),
        ("fcm", {"service_acount": {"env": "A"}}, "service_acount"),
        ("smpp", {"source_address": "A name too long"}, "source_address"),
        ("chat_model", {"base_url": "https://x/v1?a=b"}, "base_url"),
        ("chat_model", {"base_url": "http://llm.example.com/v1"}, ""),
        ("chat_model", {"model": "two words"}, "model"),
        ("chat_model", {"per_day": -1}, "per_day"),
        ("smtp", {"username": "lucky"}, ""),
        ("smtp", {"host": "a..b"}, "host"),
        ("smpp", {"host": "-a.example"}, "host"),
        ("smtp", {"return_path_domain": "a." + "b" * 64 + ".example"}, "return_path_domain"),
        ("smtp", {"username": "u", "password": {"env": "A"}, "tls": "none"}, ""),
        ("smtp", {"from": "Lucky\r\nBcc: all@example.com"}, "from"),
        ("twilio", {"messaging_service_sid": "MG" + "0" * 32}, ""),
    ],
)
def test_a_mistake_names_its_path(kind: str, changes: dict[str, Any], path: str) -> None:
    found, detail = refused(kind, **changes)
    assert found == path or (not path and found.startswith("headers")), detail
    assert "hunter2" not in detail


@pytest.mark.parametrize(
    ("base_url", "allow_private"),
    [("http://10.0.0.7:11434/v1", True), ("https://llm.example.com/v1", False), ("HTTPS://llm.example.com/v1", False)],
)
def test_a_model_is_asked_by_https_but_in_ones_own_network(base_url: str, allow_private: bool) -> None:
    written = document("chat_model", base_url=base_url, allow_private=allow_private)
    assert validate_document("connectors", "x", written)["base_url"] == base_url


@pytest.mark.parametrize("host", ["localhost", "10.0.0.1", "::1", "fe80::1", "mail.example.com", "a-b.c1.example"])
def test_a_host_is_a_name_or_an_address(host: str) -> None:
    assert validate_document("connectors", "x", document("smpp", host=host))["host"] == host


def test_an_unknown_kind_lists_the_known_ones() -> None:
    with pytest.raises(Invalid) as error:
        validate_document("connectors", "x", {"kind": "pigeon"})
    assert error.value.extra["errors"][0]["path"] == "kind"
    assert "web_push" in error.value.detail


def test_headers_with_secrets_are_named_like_other_secrets() -> None:
    written = document("webhook", headers={"Authorization": {"env": "HOOK_AUTH"}, "X-Team": "crm"})
    assert validate_document("connectors", "x", written) == written


PASTED = "hunter2-pasted"
MANY = {f"X-{n}": PASTED for n in range(21)}


@pytest.mark.parametrize(
    ("kind", "changes", "path"),
    [
        ("telegram", {"token": {"env": PASTED}}, "token.env"),
        ("telegram", {"token": {"env": [PASTED]}}, "token.env"),
        ("telegram", {"token": {"env": "PLAYTOWER_hunter2"}}, "token"),
        ("telegram", {"token": {"file": PASTED}}, "token"),
        ("telegram", {"token": {"file": [PASTED]}}, "token.file"),
        ("telegram", {"token": {PASTED: 1}}, "token"),
        ("telegram", {"tokn": PASTED}, "tokn"),
        ("telegram", {"secret": {"env": PASTED}}, "secret"),
        ("telegram", {"kind": {"token": PASTED}}, "kind"),
        ("webhook", {"old_secrets": PASTED}, "old_secrets"),
        ("webhook", {"old_secrets": [{"env": PASTED}]}, "old_secrets[0].env"),
        ("webhook", {"headers": PASTED}, "headers"),
        ("webhook", {"headers": [PASTED]}, "headers"),
        ("webhook", {"headers": MANY}, "headers"),
        ("webhook", {"headers": {"X-A": [PASTED]}}, "headers.X-A"),
        ("webhook", {"headers": {"X-A": {"env": PASTED}}}, "headers.X-A.env"),
        ("webhook", {"headers": {"X-A": {"file": PASTED}}}, "headers.X-A"),
        ("webhook", {"headers": {"X-A": {PASTED: 1}}}, "headers.X-A"),
        ("webhook", {"headers": {f"{PASTED}: x": "a"}}, "headers"),
        ("webhook", {"url": f"ftp://x/?key={PASTED}"}, "url"),
    ],
)
def test_no_problem_repeats_what_may_be_a_secret(kind: str, changes: dict[str, Any], path: str) -> None:
    written = document(kind) | changes
    with pytest.raises(Invalid) as told:
        validate_document("connectors", "x", written)
    assert [problem["path"] for problem in told.value.extra["errors"]] == [path]
    with pytest.raises(ValidationError) as raw:  # as a trace would show it
        ConnectorConfig.model_validate(written)
    for text in (told.value.detail, str(told.value.extra), str(raw.value), str(raw.value.errors())):
        assert "hunter2" not in text


def test_a_document_that_is_no_mapping_is_not_repeated() -> None:
    with pytest.raises(Invalid) as error:
        validate_document("connectors", "x", "hunter2")
    assert "hunter2" not in f"{error.value.detail}{error.value.extra}"


def test_a_plain_field_still_says_what_came() -> None:
    assert refused("webhook", timeout_s=11)[1].endswith("got 11")
