"""The command that a mail server pipes bounces into."""

import io
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from playtower.bounces import MAIL_MAX, TEMPORARY, post_mail
from playtower.cli import app

MAIL = b"From: MAILER-DAEMON@x.example\r\n\r\n\xff\x00bounce"


def answering(status: int, seen: list[httpx.Request] | None = None) -> httpx.MockTransport:
    def answer(request: httpx.Request) -> httpx.Response:
        if seen is not None:
            seen.append(request)
        return httpx.Response(status, json={"detail": "said"})

    return httpx.MockTransport(answer)


def test_a_mail_is_posted_as_it_came() -> None:
    seen: list[httpx.Request] = []
    done = post_mail(io.BytesIO(MAIL), "our/mail", "http://gw:1/", token="t.k", transport=answering(200, seen))
    assert done == (0, "")
    (request,) = seen
    assert str(request.url) == "http://gw:1/v1/hooks/our%2Fmail?t=t.k"
    assert (request.content, request.headers["content-type"]) == (MAIL, "message/rfc822")
    assert "authorization" not in request.headers


@pytest.mark.parametrize(
    ("answer", "status"), [(200, 0), (503, TEMPORARY), (500, TEMPORARY), (429, TEMPORARY), (403, 1), (404, 1), (413, 1)]
)
def test_the_mail_server_learns_whether_to_try_again(answer: int, status: int) -> None:
    assert post_mail(io.BytesIO(MAIL), "mail", "http://gw", key="k", transport=answering(answer))[0] == status


def test_a_gateway_that_is_not_there_is_tried_again() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no", request=request)

    status, said = post_mail(io.BytesIO(MAIL), "mail", "http://gw", key="k", transport=httpx.MockTransport(refuse))
    assert (status, said) == (TEMPORARY, "the gateway at http://gw does not answer: ConnectError")


def test_of_a_huge_mail_only_the_beginning_goes() -> None:
    seen: list[httpx.Request] = []
    post_mail(io.BytesIO(b"x" * (MAIL_MAX + 9)), "mail", "http://gw", key="k", transport=answering(200, seen))
    assert len(seen[0].content) == MAIL_MAX


def test_without_token_and_key_the_mail_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLAYTOWER_ADMIN_KEY", raising=False)
    monkeypatch.delenv("PLAYTOWER_HOOK_TOKEN", raising=False)
    result = CliRunner().invoke(app, ["bounce", "mail", "--data-dir", str(tmp_path)], input=b"x")
    assert result.exit_code == TEMPORARY
    missing = CliRunner().invoke(app, ["bounce", "mail", "--token-file", str(tmp_path / "none")], input=b"x")
    assert missing.exit_code == TEMPORARY
