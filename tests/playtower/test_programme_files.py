"""A programme as files, and how it reaches a gateway."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from playtower.client import Client, ClientError, apply_directory
from playtower.programme_files import UnreadableProgramme, read_programme, write_programme
from store.documents import from_yaml

PROGRAMME: dict[str, dict[str, dict[str, Any]]] = {
    "missions": {"ten-bets": {"name": {"en": "Ten bets", "no": "Ti spill"}, "tasks": []}},
    "policies": {"default": {"quiet_hours": {"from": "21:00", "until": "08:00", "channels": ["sms"]}}},
}


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    files = write_programme(tmp_path, PROGRAMME)
    assert [str(path.relative_to(tmp_path)) for path in files] == ["missions/ten-bets.yaml", "policies/default.yaml"]
    assert read_programme(tmp_path) == PROGRAMME


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("a: 21:00", "21:00", id="a time is no number of base 60"),
        pytest.param("a: {no: x}", {"no": "x"}, id="Norwegian is not false"),
        pytest.param("a: 2026-01-01", "2026-01-01", id="a date is text, as in JSON"),
        pytest.param("a: 007", "007", id="a number has no leading zeros"),
        pytest.param("a: [12, -3, true, null, 1.5]", [12, -3, True, None, 1.5], id="the values of JSON"),
    ],
)
def test_yaml_is_read_as_json_would_have_it(tmp_path: Path, text: str, value: object) -> None:
    (tmp_path / "missions").mkdir()
    (tmp_path / "missions" / "m.yaml").write_text(text)
    assert read_programme(tmp_path)["missions"]["m"]["a"] == value


def test_every_unreadable_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "missions").mkdir()
    for name, text in (("list.yaml", "[1]"), ("bomb.yaml", "a: &x [1]\nb: *x"), ("broken.yaml", "a: [")):
        (tmp_path / "missions" / name).write_text(text)
    (tmp_path / "missions" / "twice.yaml").write_text("{}")
    (tmp_path / "missions" / "twice.yml").write_text("{}")
    with pytest.raises(UnreadableProgramme) as refused:
        read_programme(tmp_path)
    assert len(refused.value.problems) == 4


@pytest.mark.parametrize(
    "text", ["token: {env: hunter2\nkind: x", 'token: "\\hunter2"', "token: !hunter2 x", "env: hunter2: x"]
)
def test_a_line_that_is_no_yaml_is_told_and_not_quoted(tmp_path: Path, text: str) -> None:
    (tmp_path / "connectors").mkdir()
    (tmp_path / "connectors" / "sms.yaml").write_text(text)
    with pytest.raises(UnreadableProgramme, match=r"sms.yaml: expected YAML, .* line") as refused:
        read_programme(tmp_path)
    assert "hunter2" not in str(refused.value)


class Gateway:
    """The few endpoints that ``apply`` uses."""

    def __init__(self) -> None:
        self.draft: dict[str, dict[str, Any]] = {"missions": {"old": {}}}
        self.published: list[dict[str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        parts = request.url.path.split("/")[2:]
        match request.method, parts:
            case "GET", ["programme", "draft"]:
                return httpx.Response(200, json={"base": 0, "documents": json.loads(json.dumps(self.draft))})
            case "PUT", ["config", kind, name]:
                document = json.loads(request.content)
                if "bad" in name:
                    errors = [{"document": f"{kind}/{name}", "path": "tasks[0].where", "detail": "expected a tree"}]
                    return httpx.Response(422, json={"code": "invalid", "detail": "bad", "errors": errors})
                self.draft.setdefault(kind, {})[name] = document
                return httpx.Response(200, json={}, headers={"ETag": '"1"'})
            case "DELETE", ["config", kind, name]:
                del self.draft[kind][name]
                return httpx.Response(204)
            case "POST", ["programme", "publish"]:
                self.published.append(self.draft)
                return httpx.Response(200, json={"version": 4, "published": True, "passed": 32, "of": 32})
            case _:
                return httpx.Response(404, json={"detail": "no"})


@pytest.mark.parametrize("prune", [False, True])
def test_apply_writes_all_prunes_when_asked_and_publishes(tmp_path: Path, prune: bool) -> None:
    write_programme(tmp_path, PROGRAMME)
    gateway = Gateway()
    with Client("key", "http://gateway", transport=httpx.MockTransport(gateway)) as client:
        applied = apply_directory(client, tmp_path, prune=prune)
    assert (applied.written, applied.deleted, applied.version) == (2, int(prune), 4)
    assert ("old" in gateway.draft["missions"]) is not prune
    assert len(gateway.published) == 1


def test_apply_shows_every_refusal_and_publishes_nothing(tmp_path: Path) -> None:
    write_programme(tmp_path, {"missions": {"bad-1": {}, "bad-2": {}, "good": {}}})
    gateway = Gateway()
    with (
        Client("key", "http://gateway", transport=httpx.MockTransport(gateway)) as client,
        pytest.raises(ClientError) as refused,
    ):
        apply_directory(client, tmp_path)
    assert refused.value.lines()[1:] == [
        "missions/bad-1 tasks[0].where: expected a tree",
        "missions/bad-2 tasks[0].where: expected a tree",
    ]
    assert gateway.published == []


def test_a_gateway_that_is_not_there_is_said_so() -> None:
    def nobody(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with (
        Client("key", "http://gateway", transport=httpx.MockTransport(nobody)) as client,
        pytest.raises(ClientError, match="is `playtower serve` running"),
    ):
        client.get("/v1/status")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\n b: hunter2: 3", "line 2, column 3: mapping values are not allowed here"),
        ("a:\n\t- hunter2", "line 2, column 1: found character '\\t' that cannot start any token"),
        ("[1, 2", "expected ',' or ']', but got '<stream end>'"),
        ("x: !hunter2 3", "could not determine a constructor for the tag ..."),
    ],
)
def test_a_line_that_is_no_yaml_is_told_with_the_reason(text: str, told: str) -> None:
    with pytest.raises(yaml.YAMLError) as refused:
        from_yaml(text)
    assert str(refused.value).endswith(told)
    assert "hunter2" not in str(refused.value)
