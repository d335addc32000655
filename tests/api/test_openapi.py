"""What the tower's endpoints promise in OpenAPI: an example of every good answer, problems as problem documents."""

from typing import Any

import pytest

from api.app import create_app
from tests.api.conftest import SECRET

PATHS = {
    ("get", "/r/{token}"),
    ("get", "/o/{token}.gif"),
    ("get", "/u/{token}"),
    ("post", "/u/{token}"),
    ("get", "/preferences/{token}"),
    ("post", "/preferences/{token}"),
    ("get", "/confirm/{token}"),
    ("post", "/confirm/{token}"),
    ("post", "/v1/players/{id}/links"),
    ("get", "/v1/hooks/{connector}"),
    ("post", "/v1/hooks/{connector}"),
    ("post", "/v1/channels/{connector}/hook-token"),
    ("post", "/v1/me/devices"),
    ("delete", "/v1/me/devices"),
    ("post", "/v1/players/{id}/devices"),
    ("delete", "/v1/players/{id}/devices"),
    ("get", "/v1/me/push-key"),
    ("get", "/v1/me/placements/{slot}"),
    ("post", "/v1/me/placements/{slot}/shown"),
    ("post", "/v1/me/placements/{slot}/clicked"),
    ("get", "/v1/players/{id}/placements/{slot}"),
    ("get", "/v1/reviews"),
    ("post", "/v1/messages/{request_id}/review"),
    ("get", "/v1/players/{id}/why"),
    ("get", "/v1/players/{id}/habits"),
    ("get", "/v1/players/{id}/patterns"),
    ("get", "/v1/reports/messages"),
    ("get", "/v1/channels"),
    ("get", "/v1/models"),
    ("post", "/v1/models"),
    ("get", "/v1/models/live"),
    ("get", "/v1/models/publications"),
    ("get", "/v1/models/{version}"),
    ("get", "/v1/models/{version}/artefact"),
    ("post", "/v1/models/{version}/publish"),
    ("post", "/v1/models/rollback"),
    ("get", "/v1/players/{id}/scores"),
    ("get", "/v1/players/{id}/choices"),
    ("get", "/v1/choices"),
    ("get", "/v1/choices/{id}"),
    ("get", "/v1/players/{id}/exclusion"),
    ("delete", "/v1/players/{id}/exclusion"),
}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    from api.settings import Settings

    return create_app(Settings(redis_url="unix:///unused", token_secret=SECRET)).openapi()


@pytest.mark.parametrize(("method", "path"), sorted(PATHS))
def test_an_endpoint_is_documented(document: dict[str, Any], method: str, path: str) -> None:
    operation = document["paths"][path][method]
    assert operation.get("summary")
    good = {status: answer for status, answer in operation["responses"].items() if status.startswith(("2", "3"))}
    assert good
    for answer in good.values():
        for media_type, content in answer.get("content", {}).items():
            if media_type == "application/json":
                assert "example" in content, f"{method} {path} shows no example"
    for status, answer in operation["responses"].items():
        if status.startswith(("4", "5")) and path.startswith("/v1") and "content" in answer:
            documented = {"application/problem+json", "application/json"}
            assert documented & set(answer["content"]), f"{status} of {method} {path}"
    if path.startswith("/v1"):
        assert set(operation["responses"]) & {"401", "403"} or path.startswith("/v1/hooks")


def test_bodies_of_the_tower_show_an_example(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for name in (
        "ReviewBody",
        "LinkBody",
        "ExposureBody",
        "Device",
        "MessageBody",
        "ExclusionBody",
        "PublishModelBody",
    ):
        assert "example" in schemas[name], name


@pytest.mark.parametrize(
    ("method", "path", "statuses"),
    [
        ("get", "/v1/hooks/{connector}", {"403", "404"}),
        ("get", "/u/{token}", {"404", "410", "503"}),
        ("post", "/u/{token}", {"404", "410", "413", "429", "503"}),
        ("get", "/preferences/{token}", {"503"}),
        ("post", "/preferences/{token}", {"413", "429", "503"}),
        ("get", "/confirm/{token}", {"503"}),
        ("post", "/confirm/{token}", {"413", "429", "503"}),
    ],
)
def test_what_a_page_or_a_hook_may_answer_is_documented(
    document: dict[str, Any], method: str, path: str, statuses: set[str]
) -> None:
    assert statuses <= set(document["paths"][path][method]["responses"])


def test_the_hooks_token_and_the_credentials_are_documented(document: dict[str, Any]) -> None:
    hook = document["paths"]["/v1/hooks/{connector}"]["post"]
    assert "t" in {parameter["name"] for parameter in hook["parameters"]}
    assert {} in hook["security"], "a vendor's signature is enough"
    assert document["paths"]["/v1/channels"]["get"]["security"] == [{"bearer": []}, {"basic": []}]
    assert "security" not in document["paths"]["/u/{token}"]["post"]
    assert set(document["components"]["securitySchemes"]) >= {"bearer", "basic"}
