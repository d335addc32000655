"""Bounces and complaints as real servers write them."""

from collections import Counter
from email import message_from_bytes
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import structs

from channels import bounces
from channels.bounces import read_mail
from channels.mime import letter, request_of, sender, signed_token
from channels.ports import Inbound, Parcel
from crm.addresses import Address

REQUEST = "req_1f_5d41402abc4b2a76b9719d91"
MAILS = Path(__file__).parent / "mails"
SECRET = "k" * 32
TOKEN = signed_token(REQUEST, SECRET)
ADA, CORP, BIG = "ada@player.example", "ada@corp.example", "ada@bigmail.example"


def sample(name: str) -> bytes:
    """Return a mail about a message of ours: with its signed name."""
    return (MAILS / f"{name}.eml").read_bytes().replace(REQUEST.encode(), TOKEN.encode())


def read(raw: bytes) -> tuple[Inbound, ...]:
    return read_mail(raw, SECRET)


@pytest.mark.parametrize(
    ("name", "address", "is_dead", "said"),
    [
        ("postfix_unknown_user", ADA, True, "550 5.1.1"),
        ("postfix_without_verp", ADA, True, "550 5.1.1"),
        ("postfix_full", ADA, False, "552 5.2.2"),
        ("exchange", CORP, True, "RecipientNotFound"),
        ("exchange_policy", CORP, False, "5.7.1"),
        ("exim_text", ADA, True, "550 No such user here"),
        ("qmail", ADA, True, "550 5.1.1"),
        ("opensmtpd", "dead@player.example", True, "550 5.1.1"),  # written by OpenSMTPD 6.8.0p2 itself
    ],
)
def test_a_bounce_says_which_message_and_whether_the_address_is_dead(
    name: str, address: str, is_dead: bool, said: str
) -> None:
    (bounce,) = read(sample(name))
    assert (bounce.outcome, bounce.request, bounce.address) == ("bounced", REQUEST, address)
    assert bounce.is_address_dead is is_dead
    assert said in bounce.detail
    assert address not in bounce.detail


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("complaint", Inbound("complained", request=REQUEST, address=BIG, detail="abuse")),
        ("complaint_redacted", Inbound("complained", request=REQUEST, detail="abuse")),
        ("complaint_opt_out", Inbound("unsubscribed", request=REQUEST, address=BIG, detail="opt-out")),
        ("leave", Inbound("unsubscribed", request=REQUEST)),
    ],
)
def test_a_player_who_has_had_enough_is_heard(name: str, expected: Inbound) -> None:
    (found,) = read(sample(name))
    assert structs.replace(found, mark="") == expected


@pytest.mark.parametrize("name", ["absence", "reply", "postfix_delayed", "exim_delayed", "complaint_not_spam"])
def test_what_is_no_bounce_is_none(name: str) -> None:
    assert read(sample(name)) == ()


def test_line_ends_do_not_matter() -> None:
    for path in MAILS.glob("*.eml"):
        unix = sample(path.stem)
        assert _unmarked(unix.replace(b"\n", b"\r\n")) == _unmarked(unix), path.name


def _unmarked(raw: bytes) -> list[Inbound]:
    return [structs.replace(found, mark="") for found in read(raw)]


def test_a_mail_is_named_by_its_id_or_by_its_bytes() -> None:
    raw = sample("leave")
    (named,) = read(raw.replace(b"Subject:", b"Message-ID: <7@player.example>\nSubject:"))
    assert named.mark == "<7@player.example>"
    nameless = f"To: unsubscribe+{TOKEN}@x.example\n".encode() + b"From: ada@player.example\n\n"
    one, again, two = (read(nameless + body)[0].mark for body in (b"1", b"1", b"2"))
    assert one == again != two


def test_a_mail_program_that_unsubscribes_by_itself_is_heard() -> None:
    raw = sample("leave").replace(b"Subject:", b"Auto-Submitted: auto-generated\nPrecedence: bulk\nSubject:")
    assert [(found.outcome, found.request) for found in read(raw)] == [("unsubscribed", REQUEST)]


def test_our_own_mail_returned_in_any_envelope_is_found() -> None:
    parcel = Parcel(REQUEST, "p", "email", "promo", "t", {"subject": "s", "text": "t"}, Address("email", ADA), 2, 1)
    ours = letter(parcel, sender("news@casino.example"), SECRET).data
    bounce = sample("exim_text").split(b"------")[0] + b"------ Original message ------\n\n" + ours
    (found,) = read(bounce)
    assert (found.request, found.is_address_dead) == (REQUEST, True)


def test_many_recipients_are_bounded() -> None:
    raw = sample("postfix_unknown_user")
    group = b"\nFinal-Recipient: rfc822; x@player.example\nAction: failed\nStatus: 5.1.1\n"
    head, mark, rest = raw.partition(b"\nFinal-Recipient")
    assert len(read(head + group * 100 + mark + rest)) == 20


SAMPLES = [sample(path.stem) for path in sorted(MAILS.glob("*.eml"))]


@given(
    raw=st.binary(max_size=300), sample=st.sampled_from(SAMPLES), at=st.integers(0, 4_000), cut=st.integers(0, 4_000)
)
@example(b"Content-Type: multipart/report; report-type=delivery-status\n\n", SAMPLES[0], 0, 0)
def test_no_mail_breaks_the_reader(raw: bytes, sample: bytes, at: int, cut: int) -> None:
    for mail in (raw, sample[:at] + raw + sample[cut:], sample[:cut]):
        for found in read(mail):
            assert found.outcome in ("bounced", "complained", "unsubscribed")
            assert len(found.detail) <= 300


def test_a_long_mail_is_read_in_time() -> None:
    body = b"550 " * 100_000 + b"<" * 100_000 + b" a@" * 50_000
    raw = b"From: mailer-daemon@x.example\nSubject: failure notice\nTo: bounce+%b@x.example\n\n" % TOKEN.encode() + body
    assert len(read(raw)) == 1


@pytest.mark.parametrize("name", [path.stem for path in sorted(MAILS.glob("*.eml"))])
def test_what_brings_no_signed_name_is_believed_of_nobody(name: str) -> None:
    guessed = (MAILS / f"{name}.eml").read_bytes()
    forged = sample(name).replace(TOKEN.encode(), signed_token(REQUEST, "x" * 32).encode())
    nameless = sample(name).replace(TOKEN.encode(), b"")
    for raw in (guessed, forged, nameless):
        assert read(raw) == ()
    assert read_mail(sample(name)) == read_mail(guessed) == (), "without a secret nothing is believed"


def test_a_name_is_known_by_its_own_tag() -> None:
    assert request_of(TOKEN, SECRET) == request_of(TOKEN.lower(), SECRET) == REQUEST
    other = signed_token("req_1f_00", SECRET)
    assert request_of(f"{REQUEST}-{other.rpartition('-')[2]}", SECRET) == ""
    assert (
        request_of(REQUEST, SECRET) == request_of(TOKEN, "") == request_of("", SECRET) == request_of("-", SECRET) == ""
    )
    assert request_of(f"{REQUEST}-\u00e9", SECRET) == ""


def nested(depth: int) -> bytes:
    parts = (b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (n, n) for n in range(depth))
    return b"From: a@b.example\n" + b"".join(parts)


NOTICE = b"From: mailer-daemon@x\nSubject: Undelivered%b\nContent-Type: text/plain\n\nX-Playtower-Request: %b\n%b"


@pytest.mark.timeout(20)  # each took from 10 seconds to hours
@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(NOTICE % (b"", TOKEN.encode(), b"\n" * 1_000_000 + b"x"), id="lines"),
        pytest.param(NOTICE % (b"", TOKEN.encode(), b" \t" * 500_000 + b"x"), id="spaces"),
        pytest.param(NOTICE % (b"", TOKEN.encode(), b"<a@b> (\n" * 100_000), id="brackets"),
        pytest.param(NOTICE % (b" warning: message " * 50_000, TOKEN.encode(), b""), id="subject"),
        pytest.param(b"From: " + b"(" * 500_000 + b"\nTo: unsubscribe+x@y\n\nhi", id="comments"),
        pytest.param(b"Content-Type: text/plain" + b";a" * 500_000 + b"\n\nhi", id="parameters"),
        pytest.param(b"Content-Type: text/plain;" + b"\n a=b;" * 100_000 + b"\n\nhi", id="folded"),
    ],
)
def test_a_hostile_mail_takes_no_time(raw: bytes) -> None:
    read(raw)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(nested(50), id="deep"),
        pytest.param(nested(20_000), id="deeper"),
        pytest.param(b"Content-Type: MESSAGE/rfc822\n\n" * 5_000, id="letters in letters"),
    ],
)
def test_a_mail_that_cannot_be_read_is_counted_and_about_nothing(raw: bytes) -> None:
    counts: Counter[str] = Counter()
    assert read_mail(raw, SECRET, counts) == ()
    assert counts == {"mails_unreadable": 1}


def test_whatever_the_parser_raises_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RecursionError

    monkeypatch.setattr(bounces, "message_from_bytes", fails)
    counts: Counter[str] = Counter()
    assert read_mail(sample("qmail"), SECRET, counts) == ()
    assert counts == {"mails_unreadable": 1}


def test_headers_are_cut_before_they_are_taken_apart() -> None:
    mail = message_from_bytes(b"To: " + b";a" * 5_000 + b"\n\nhi", policy=bounces._POLICY)
    assert len(mail["to"]) == bounces.HEADER_MAX
