"""Messages as bytes, read back by the standard library: whatever comes in, no header is more or other than we wrote."""

import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from channels.mime import BadAddress, letter, mailbox, one_line, sender, token_of
from channels.ports import Parcel
from crm.addresses import Address

SENDER = sender("Lucky <news@casino.example>", None, "bounces.casino.example")
NAMES = [
    "Date", "From", "To", "Subject", "Message-ID", "List-Unsubscribe", "List-Unsubscribe-Post", "Content-Language",
    "Auto-Submitted", "Feedback-ID", "X-Playtower-Request", "MIME-Version", "Content-Type",
]  # fmt: skip


def parcel(content: dict[str, Any], address: str = "ada@example.com", **more: Any) -> Parcel:
    fields = {
        "id": "req_1_00ff",
        "player": "p",
        "channel": "email",
        "purpose": "promo",
        "template": "t",
        "unsubscribe_url": "https://play.example/u/x",
        **more,
    }
    return Parcel(content=content, address=Address("email", address), expires_at=2, at=1, **fields)


def read(data: bytes) -> EmailMessage:
    message = message_from_bytes(data, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


TEXTS = st.one_of(
    st.text(max_size=400),
    st.text(alphabet='ab\r\n\t:<>"\\,;=?@()\x00\x0b\x85\u2028\u202eé中', max_size=200),
)


@given(subject=TEXTS, name=TEXTS, text=TEXTS, html=TEXTS, template=TEXTS, request=st.text(min_size=1, max_size=80))
@example("a\r\nBcc: eve@x.example", "x\nTo: e@x.example", "", "", "t\r\nX: y", "r\r\nX: y")
@example("=?utf-8?q?Bcc=3A?=", '"; <eve@x.example>', "\r\n.\r\nMAIL", "x", "", "a+b@c")
@example("x" * 400, "Я" * 300, "a b " * 500, "y" * 3_000, "t" * 300, "z" * 80)
def test_nothing_that_comes_from_outside_writes_a_header(
    subject: str, name: str, text: str, html: str, template: str, request: str
) -> None:
    content = {"subject": subject, "from_name": name, "text": text, "html": html, "language": subject}
    written = letter(parcel(content, id=request, template=template), SENDER)
    message = read(written.data)
    assert [header for header in message if header != "Content-Transfer-Encoding"] == [
        one for one in NAMES if one != "Content-Language" or "Content-Language" in message
    ]
    assert " ".join(str(message["Subject"]).split()) == one_line(subject)
    (author,) = message["From"].addresses
    assert author.addr_spec == "news@casino.example"
    assert message["To"].addresses[0].addr_spec == "ada@example.com"
    head, _, _ = written.data.partition(b"\r\n\r\n")
    assert all(len(line) <= 998 for line in written.data.split(b"\r\n"))
    assert written.data.isascii()
    assert b"\n" not in written.data.replace(b"\r\n", b"")
    assert b"\r" not in written.data.replace(b"\r\n", b"")
    assert not re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]", head)
    assert re.fullmatch(r"bounce\+[A-Za-z0-9_.-]{1,41}@bounces\.casino\.example", written.return_path)


@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), max_size=500), html=st.text(max_size=80))
@example(".\n..\nFrom me\n--=_x--  \n \t\n", "<p>")
@example("trailing  \ntab\t\nя", "<p>")
def test_the_words_come_back(text: str, html: str) -> None:
    message = read(letter(parcel({"subject": "s", "text": text, "html": html and f"<p>{html}</p>"}), SENDER).data)
    body = message.get_body(("plain",))
    assert body is not None
    said = body.get_content().replace("\r\n", "\n")
    assert said in (text, text + "\n")
    assert message.is_multipart() is bool(html)


@given(st.text(max_size=80))
@example("ada@example.com\r\nDATA")
@example("a@b.c>")
@example("a@b.c NOTIFY=NEVER")
def test_an_address_is_safe_or_refused(text: str) -> None:
    try:
        box = mailbox(text)
    except BadAddress:
        return
    assert re.fullmatch(r"[^\s<>\"(),:;\\\[\]\x00-\x1f\x7f]+@[a-z0-9_.-]+", str(box))


def test_the_same_message_is_the_same_at_every_try_but_for_its_date() -> None:
    content = {"subject": "s", "text": "t", "html": "h"}
    first, again = letter(parcel(content), SENDER), letter(parcel(content), SENDER)
    assert first == again
    other = letter(parcel(content, id="req_2_00ff"), SENDER)
    assert other.message_id != first.message_id
    assert other.return_path != first.return_path


def test_a_mail_without_a_page_is_only_text() -> None:
    message = read(letter(parcel({"subject": "s", "text": "plain"}), SENDER).data)
    assert (message.get_content_type(), message.get_content()) == ("text/plain", "plain\r\n")


def test_what_cannot_be_unsubscribed_from_has_no_header_for_it() -> None:
    message = read(letter(parcel({"subject": "s"}, unsubscribe_url=""), SENDER).data)
    assert [name for name in message if name.startswith("List-")] == []


@pytest.mark.parametrize(
    "url",
    ["javascript:x", "https://x.example/> <https://y.example", "https://x\r\nX: y", "https://x.example/" + "a" * 1_500],
)
def test_an_address_that_no_header_can_hold_leaves_the_mail_to_unsubscribe_by(url: str) -> None:
    written = letter(parcel({"subject": "s"}, unsubscribe_url=url), SENDER).data
    message = read(written)
    assert [name for name in message if name.startswith("List-")] == ["List-Unsubscribe"]
    assert str(message["List-Unsubscribe"]).startswith("<mailto:unsubscribe+")
    nowhere = letter(parcel({"subject": "s"}, unsubscribe_url=url), sender("news@casino.example")).data
    assert b"List-" not in nowhere
    assert max(len(line) for line in written.split(b"\r\n")) <= 998


def test_a_token_fits_into_an_address_and_says_the_request_where_it_can() -> None:
    assert token_of("req_1f_00ff") == "req_1f_00ff"
    assert len(token_of("x" * 300)) == 32
    assert token_of("a@b") != token_of("a@c")


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ("news@casino.example", "", "news@casino.example"),
        ("Lucky, Inc. <news@casino.example>", "Lucky, Inc.", "news@casino.example"),
        ('"Lucky" <news@пошта.example>', "Lucky", "news@xn--80a1acn3a.example"),
    ],
)
def test_who_writes_is_read_as_people_write_it(text: str, name: str, address: str) -> None:
    made = sender(text)
    assert (made.name, str(made.mailbox)) == (name, address)
