"""Mail by SMTP against real servers: what arrives, and what every answer means."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from channels.mime import signed_token
from channels.ports import Parcel, Rejected, Result, Retry, Sent, Unclear
from channels.smtp import SmtpAdapter, is_dead
from crm.addresses import Address
from crm.connectors import SmtpConnector
from tests.channels.mail_server import CUT, HUSH, Mail, Sink, certificate, checked, mail_server, rude_server

REQUEST = "req_1f_5d41402abc4b2a76b9719d91"
TOKEN_SECRET = "k" * 32
TOKEN = signed_token(REQUEST, TOKEN_SECRET)
CONTENT = {
    "subject": "Вітаємо, Ada",
    "html": "<html><body><p>Привіт &amp; hi</p></body></html>",
    "text": "Привіт\n.\n..x\n",
}


def parcel(address: str = "ada@example.com", purpose: str = "promo", **content: Any) -> Parcel:
    return Parcel(
        id=REQUEST,
        player="ada",
        channel="email",
        purpose=purpose,
        template="come-back",
        content=CONTENT | content,
        address=Address("email", address),
        expires_at=2_000_000_000_000,
        at=1_790_000_000_000,
        unsubscribe_url="https://play.example/u/" + "t" * 300,
    )


@asynccontextmanager
async def adapter(port: int, secret: str = "", **more: Any) -> AsyncIterator[SmtpAdapter]:
    document = {
        "kind": "smtp",
        "host": "127.0.0.1",
        "port": port,
        "tls": "none",
        "from": "Lucky, Inc. <news@casino.example>",
        "return_path_domain": "bounces.casino.example",
        "timeout_s": 5,
        **more,
    }
    made = SmtpAdapter(SmtpConnector.model_validate(document), secret, TOKEN_SECRET)
    try:
        yield made
    finally:
        await made.close()


def read(mail: Mail) -> EmailMessage:
    message = message_from_bytes(mail.data, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


async def test_a_mail_arrives_as_it_was_meant() -> None:
    async with mail_server() as sink, adapter(sink.port, reply_to="help@casino.example") as smtp:
        result = await smtp.send(parcel(language="uk"))
    assert result == Sent(f"{TOKEN}@casino.example", "2.0.0 Ok: queued as 1")
    (mail,) = sink.mails
    assert (mail.sender, mail.recipients) == (f"bounce+{TOKEN}@bounces.casino.example", ["ada@example.com"])
    message = read(mail)
    assert message.defects == []
    assert dict(message.items()) == {
        "Date": "Mon, 21 Sep 2026 14:13:20 +0000",
        "From": '"Lucky, Inc." <news@casino.example>',
        "To": "ada@example.com",
        "Subject": "Вітаємо, Ada",
        "Message-ID": f"<{TOKEN}@casino.example>",
        "Reply-To": "help@casino.example",
        "List-Unsubscribe": f"<https://play.example/u/{'t' * 300}>, "
        f"<mailto:unsubscribe+{TOKEN}@bounces.casino.example?subject=unsubscribe>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "Content-Language": "uk",
        "Auto-Submitted": "auto-generated",
        "Feedback-ID": "come-back:promo:playtower:casino.example",
        "X-Playtower-Request": TOKEN,
        "MIME-Version": "1.0",
        "Content-Type": message["Content-Type"],
    }
    assert message.get_content_type() == "multipart/alternative"
    text, html = message.iter_parts()
    assert (text.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    assert text.get_content().replace("\r\n", "\n") == CONTENT["text"]
    assert html.get_content().strip() == CONTENT["html"]
    assert all(len(line) <= 998 for line in mail.data.split(b"\r\n"))
    assert mail.data.isascii()


@pytest.mark.parametrize("purpose", ["service", "transactional", "legal"])
async def test_a_mail_that_nobody_can_leave_offers_no_way(purpose: str) -> None:
    async with mail_server() as sink, adapter(sink.port) as smtp:
        await smtp.send(parcel(purpose=purpose))
    assert [name for name in read(sink.mails[0]) if name.startswith("List-")] == []


async def test_a_server_that_sends_notices_is_asked_for_them() -> None:
    async with rude_server({}) as rude, adapter(rude.port) as smtp:
        assert isinstance(await smtp.send(parcel("a+b=c@example.com")), Sent)
    mail, rcpt = (next(line for line in rude.heard if line.startswith(verb)) for verb in ("MAIL", "RCPT"))
    assert mail.endswith(f"RET=HDRS ENVID={TOKEN}")
    assert rcpt == "RCPT TO:<a+b=c@example.com> NOTIFY=FAILURE,DELAY ORCPT=rfc822;a+2Bb+3Dc@example.com"
    assert b"\r\n..\r\n" in rude.bodies[0] or b"." in rude.bodies[0]


async def test_connections_are_used_again() -> None:
    async with mail_server() as sink, adapter(sink.port, in_flight_max=3) as smtp:
        for _ in range(5):
            assert isinstance(await smtp.send(parcel()), Sent)
        assert (len(sink.mails), sink.connections) == (5, 1)
        results = await asyncio.gather(*(smtp.send(parcel()) for _ in range(12)))
        assert all(isinstance(result, Sent) for result in results)
        assert (len(sink.mails), sink.connections) == (17, 3)


async def test_a_connection_that_ended_while_it_lay_idle_costs_nothing() -> None:
    async with rude_server({}) as rude, adapter(rude.port) as smtp:
        assert isinstance(await smtp.send(parcel()), Sent)
        rude.script["MAIL"] = CUT
        assert isinstance(await smtp.send(parcel()), Sent)
    assert len(rude.bodies) == 2


REFUSALS = [
    pytest.param("450 4.2.0 Greylisted", Retry("", is_provider=False), id="greylisted"),
    pytest.param("451 4.7.1 Try later", Retry("", is_provider=False), id="policy, for now"),
    pytest.param("452 4.2.2 Mailbox full", Retry("", is_provider=False), id="full, for now"),
    pytest.param("451 4.3.0 Lookup failed", Retry("", is_provider=True), id="the server's own trouble"),
    pytest.param("421 4.3.2 Shutting down", Retry("", is_provider=True), id="the server goes"),
    pytest.param("530 5.7.0 Must log in", Retry("", is_provider=True), id="no login"),
    pytest.param("550 5.1.1 <ada@example.com> unknown", Rejected("", is_address_dead=True), id="nobody there"),
    pytest.param("550 5.1.2 No such domain", Rejected("", is_address_dead=True), id="no such domain"),
    pytest.param("550 5.2.1 Disabled", Rejected("", is_address_dead=True), id="mailbox disabled"),
    pytest.param("552 5.2.2 Mailbox full", Rejected("", is_address_dead=False), id="full, for good"),
    pytest.param("550 5.7.1 Spam", Rejected("", is_address_dead=False), id="policy"),
    pytest.param("550 5.1.8 Bad sender", Rejected("", is_address_dead=False), id="our address, not theirs"),
    pytest.param("550 No such user here", Rejected("", is_address_dead=True), id="without a status"),
    pytest.param("550 Sorry", Rejected("", is_address_dead=False), id="without a reason"),
    pytest.param("554 Refused by policy", Rejected("", is_address_dead=False), id="policy without a status"),
]


def shape(result: Result) -> tuple[Any, ...]:
    provider = result.is_provider if isinstance(result, Retry) else None
    return type(result), provider, getattr(result, "is_address_dead", None)


@pytest.mark.parametrize(("answer", "meant"), REFUSALS)
async def test_a_refusal_of_the_recipient_means(answer: str, meant: Result) -> None:
    sink = Sink(answers={"ada@example.com": answer})
    async with mail_server(sink), adapter(sink.port) as smtp:
        result = await smtp.send(parcel())
        assert shape(result) == shape(meant)
        assert result.detail.startswith(f"RCPT: {answer[:3]}")
        assert "ada@example.com" not in result.detail
        sink.answers.clear()
        assert isinstance(await smtp.send(parcel()), Sent), "the connection was spoilt"
    assert sink.connections == (2 if answer.startswith("421") else 1)


@pytest.mark.parametrize(
    ("answer", "meant"),
    [
        ("550 5.7.1 Sender not allowed", Retry("", is_provider=True)),
        ("451 4.3.1 No room", Retry("", is_provider=True)),
        ("450 4.7.1 Slow down", Retry("", is_provider=False)),
        ("552 5.3.4 Too big", Rejected("", is_address_dead=False)),
        ("421 Bye", Retry("", is_provider=True)),
    ],
)
async def test_a_refusal_of_the_sender_is_the_providers(answer: str, meant: Result) -> None:
    sink = Sink(answers={"MAIL": answer})
    async with mail_server(sink), adapter(sink.port) as smtp:
        assert shape(await smtp.send(parcel())) == shape(meant)


@pytest.mark.parametrize(
    ("answer", "meant"),
    [
        ("554 5.7.1 Spam", Rejected("", is_address_dead=False)),
        ("552 5.3.4 Too big", Rejected("", is_address_dead=False)),
        ("550 5.1.1 Nobody", Rejected("", is_address_dead=True)),
        ("451 4.7.1 Greylisted", Retry("", is_provider=False)),
        ("421 4.3.2 Going", Retry("", is_provider=True)),
    ],
)
async def test_a_refusal_of_the_message_means(answer: str, meant: Result) -> None:
    sink = Sink(answers={"DATA": answer})
    async with mail_server(sink), adapter(sink.port) as smtp:
        assert shape(await smtp.send(parcel())) == shape(meant)


@pytest.mark.parametrize(
    ("step", "kind"),
    [("EHLO", Retry), ("MAIL", Retry), ("RCPT", Retry), ("DATA", Retry), (".", Unclear)],
)
async def test_a_line_that_is_cut_is_unclear_only_after_the_final_dot(step: str, kind: type) -> None:
    async with rude_server({step: CUT}) as rude, adapter(rude.port) as smtp:
        result = await smtp.send(parcel())
        assert type(result) is kind, result
        assert shape(result)[1] is (True if kind is Retry else None)
        assert isinstance(await smtp.send(parcel()), Sent)


@pytest.mark.parametrize(
    ("step", "kind"), [("EHLO", Retry), ("MAIL", Retry), ("RCPT", Retry), ("DATA", Retry), (".", Unclear)]
)
async def test_a_server_that_says_nothing_is_left(step: str, kind: type) -> None:
    async with rude_server({step: HUSH}) as rude, adapter(rude.port, timeout_s=0.2) as smtp:
        result = await smtp.send(parcel())
    assert type(result) is kind, result


async def test_a_server_that_is_not_there_is_tried_again() -> None:
    async with mail_server() as sink:
        port = sink.port
    async with adapter(port) as smtp:
        result = await smtp.send(parcel())
    assert shape(result) == (Retry, True, None)
    assert result.detail.startswith("connecting: ")


async def test_a_greeting_that_refuses_is_the_providers() -> None:
    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"554 5.7.1 Your address is listed\r\n")
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server, adapter(server.sockets[0].getsockname()[1]) as smtp:
        result = await smtp.send(parcel())
    assert shape(result) == (Retry, True, None)
    assert "listed" in result.detail


LOGIN = {"username": "engine", "password": {"env": "X"}}


@pytest.mark.parametrize("is_from_start", [False, True], ids=["starttls", "tls"])
async def test_tls_and_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_from_start: bool) -> None:
    context, chain = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(chain))
    options = {
        "authenticator": checked("engine", "s3cret"),
        "auth_required": True,
        "auth_require_tls": not is_from_start,
    }
    tls = "tls" if is_from_start else "starttls"
    async with mail_server(tls=context, is_tls_from_start=is_from_start, **options) as sink:
        async with adapter(sink.port, "s3cret", host="localhost", tls=tls, **LOGIN) as smtp:
            assert isinstance(await smtp.send(parcel()), Sent)
        async with adapter(sink.port, "wrong", host="localhost", tls=tls, **LOGIN) as smtp:
            refused = await smtp.send(parcel())
        async with adapter(sink.port, host="localhost", tls=tls) as smtp:
            nobody = await smtp.send(parcel())
    assert sink.mails[0].is_known
    assert sink.mails[0].is_secure is not is_from_start or is_from_start
    assert len(sink.mails) == 1
    assert shape(refused) == (Retry, True, None)
    assert refused.detail.startswith("the server refused the login: 535")
    assert "wrong" not in refused.detail
    assert shape(nobody) == (Retry, True, None), "a login that is missing is the connector's trouble"


async def test_a_certificate_that_nobody_signed_is_refused_unless_told(tmp_path: Path) -> None:
    context, _ = certificate(tmp_path)
    async with mail_server(tls=context) as sink:
        async with adapter(sink.port, host="localhost", tls="starttls") as smtp:
            refused = await smtp.send(parcel())
        async with adapter(sink.port, host="localhost", tls="starttls", verify=False) as smtp:
            assert isinstance(await smtp.send(parcel()), Sent)
    assert shape(refused) == (Retry, True, None)
    assert "certificate" in refused.detail.lower()
    assert len(sink.mails) == 1


async def test_a_server_without_starttls_gets_nothing_in_the_clear() -> None:
    async with mail_server() as sink, adapter(sink.port, tls="starttls") as smtp:
        result = await smtp.send(parcel())
    assert (shape(result), sink.mails) == ((Retry, True, None), [])
    assert "STARTTLS" in result.detail.upper()


async def test_addresses_beyond_ascii() -> None:
    async with mail_server() as sink, adapter(sink.port) as smtp:
        assert isinstance(await smtp.send(parcel("ada@bücher.example")), Sent)
        assert isinstance(await smtp.send(parcel("яна@пошта.example")), Sent)
    assert [mail.recipients for mail in sink.mails] == [["ada@xn--bcher-kva.example"], ["яна@xn--80a1acn3a.example"]]
    assert [("SMTPUTF8" in mail.mail_options) for mail in sink.mails] == [False, True]
    assert sink.mails[0].data.isascii()
    async with mail_server(enable_SMTPUTF8=False) as sink, adapter(sink.port) as smtp:
        result = await smtp.send(parcel("яна@example.com"))
        assert isinstance(await smtp.send(parcel()), Sent)
    assert shape(result) == (Rejected, None, False)
    assert "SMTPUTF8" in result.detail


@pytest.mark.parametrize(
    "address",
    ["", "ada", "@x.example", "ada@", "ada@localhost", "a b@x.example", "ada@x.example\r\nRCPT TO:<eve@x.example>",
     "ada@x.example>", "<ada@x.example", "ada@x..example", "a" * 65 + "@x.example", "ada@" + "x" * 250 + ".example",
     "ada@straße.example", "a\u0000b@x.example", "ada@x.example BODY=8BITMIME", "\ud800@x.example", '"a b"@x.example'],
)  # fmt: skip
async def test_what_is_no_address_is_never_tried(address: str) -> None:
    async with rude_server({}) as rude, adapter(rude.port) as smtp:
        result = await smtp.send(parcel(address))
    assert shape(result) == (Rejected, None, True)
    assert rude.heard == []


async def test_a_connector_whose_sender_is_none_says_so() -> None:
    async with adapter(1, **{"from": "nobody"}) as smtp:
        result = await smtp.send(parcel())
    assert shape(result) == (Retry, True, None)
    assert "`from`" in result.detail


async def test_a_parcel_for_another_kind_of_address_is_refused() -> None:
    async with adapter(1) as smtp:
        other = Parcel("r", "p", "email", "promo", "t", {}, Address("phone", "+380"), 2, 1)
        assert shape(await smtp.send(other)) == (Rejected, None, False)


async def test_waiting_for_a_free_connection_ends_too() -> None:
    held, at_data = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        at_data.set()
        await held.wait()

    sink = Sink(at_data=hold)
    async with mail_server(sink), adapter(sink.port, in_flight_max=1, timeout_s=0.5) as smtp:
        first = asyncio.create_task(smtp.send(parcel()))
        await at_data.wait()
        second = await smtp.send(parcel())
        assert isinstance(await first, Unclear)
        held.set()
    assert shape(second) == (Retry, True, None)


def test_a_dead_address_is_one_whose_status_says_so() -> None:
    assert is_dead(550, "5.1.1", "")
    assert is_dead(550, "5.1.10", "")
    assert not is_dead(550, "5.7.1", "user unknown")
    assert is_dead(550, "", "Requested action not taken: mailbox does not exist")
    assert not is_dead(571, "", "user unknown")


async def test_lines_that_begin_with_a_dot_arrive_whole() -> None:
    async with mail_server() as sink, adapter(sink.port) as smtp:
        assert isinstance(await smtp.send(parcel(text="a\n.\n..b\n.c", html="")), Sent)
    assert read(sink.mails[0]).get_content().split() == ["a", ".", "..b", ".c"]


@pytest.mark.parametrize("answer", ["250 2.0.0 queued", "252 2.1.5 will try", "200 ok"])
async def test_any_yes_after_the_dot_is_a_yes(answer: str) -> None:
    async with rude_server({".": answer}) as rude, adapter(rude.port) as smtp:
        assert isinstance(await smtp.send(parcel()), Sent)
    assert len(rude.bodies) == 1
