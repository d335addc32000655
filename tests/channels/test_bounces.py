"""Bounces and complaints as real servers write them."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import structs

from channels.bounces import read_mail
from channels.mime import letter, sender
from channels.ports import Inbound, Parcel
from crm.addresses import Address

REQUEST = "req_1f_5d41402abc4b2a76b9719d91"
MAILS = Path(__file__).parent / "mails"
ADA, CORP, BIG = "ada@player.example", "ada@corp.example", "ada@bigmail.example"


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
    (bounce,) = read_mail((MAILS / f"{name}.eml").read_bytes())
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
        ("leave", Inbound("unsubscribed", request=REQUEST, address=ADA)),
    ],
)
def test_a_player_who_has_had_enough_is_heard(name: str, expected: Inbound) -> None:
    (found,) = read_mail((MAILS / f"{name}.eml").read_bytes())
    assert structs.replace(found, mark="") == expected


@pytest.mark.parametrize("name", ["absence", "reply", "postfix_delayed", "exim_delayed", "complaint_not_spam"])
def test_what_is_no_bounce_is_none(name: str) -> None:
    assert read_mail((MAILS / f"{name}.eml").read_bytes()) == ()


def test_line_ends_do_not_matter() -> None:
    for path in MAILS.glob("*.eml"):
        unix = path.read_bytes()
        assert _unmarked(unix.replace(b"\n", b"\r\n")) == _unmarked(unix), path.name


def _unmarked(raw: bytes) -> list[Inbound]:
    return [structs.replace(found, mark="") for found in read_mail(raw)]


def test_a_mail_is_named_by_its_id_or_by_its_bytes() -> None:
    raw = (MAILS / "leave.eml").read_bytes()
    (named,) = read_mail(raw.replace(b"Subject:", b"Message-ID: <7@player.example>\nSubject:"))
    assert named.mark == "<7@player.example>"
    nameless = b"To: unsubscribe+req_1_ab@x.example\nFrom: ada@player.example\n\n"
    one, again, two = (read_mail(nameless + body)[0].mark for body in (b"1", b"1", b"2"))
    assert one == again != two


def test_a_machine_that_answers_unsubscribes_nobody() -> None:
    raw = (MAILS / "leave.eml").read_bytes().replace(b"Subject:", b"Auto-Submitted: auto-replied\nSubject:")
    assert read_mail(raw) == ()


def test_our_own_mail_returned_in_any_envelope_is_found() -> None:
    parcel = Parcel(REQUEST, "p", "email", "promo", "t", {"subject": "s", "text": "t"}, Address("email", ADA), 2, 1)
    ours = letter(parcel, sender("news@casino.example")).data
    bounce = (MAILS / "exim_text.eml").read_bytes().split(b"------")[0] + b"------ Original message ------\n\n" + ours
    (found,) = read_mail(bounce)
    assert (found.request, found.is_address_dead) == (REQUEST, True)


def test_many_recipients_are_bounded() -> None:
    raw = (MAILS / "postfix_unknown_user.eml").read_bytes()
    group = b"\nFinal-Recipient: rfc822; x@player.example\nAction: failed\nStatus: 5.1.1\n"
    head, mark, rest = raw.partition(b"\nFinal-Recipient")
    assert len(read_mail(head + group * 100 + mark + rest)) == 20


SAMPLES = [path.read_bytes() for path in sorted(MAILS.glob("*.eml"))]


@given(
    raw=st.binary(max_size=300), sample=st.sampled_from(SAMPLES), at=st.integers(0, 4_000), cut=st.integers(0, 4_000)
)
@example(b"Content-Type: multipart/report; report-type=delivery-status\n\n", SAMPLES[0], 0, 0)
def test_no_mail_breaks_the_reader(raw: bytes, sample: bytes, at: int, cut: int) -> None:
    for mail in (raw, sample[:at] + raw + sample[cut:], sample[:cut]):
        for found in read_mail(mail):
            assert found.outcome in ("bounced", "complained", "unsubscribed")
            assert len(found.detail) <= 300


def test_a_long_mail_is_read_in_time() -> None:
    body = b"550 " * 100_000 + b"<" * 100_000 + b" a@" * 50_000
    raw = b"From: mailer-daemon@x.example\nSubject: failure notice\nTo: bounce+req_1_00@x.example\n\n" + body
    assert len(read_mail(raw)) == 1
