"""A message as RFC 5322 bytes: text and HTML, and the headers that tell providers and bounces whose it is.

Written by hand rather than by ``email.message``, whose folding encodes the long addresses of List-Unsubscribe as words
that no provider reads. What comes from outside (subject, names, addresses) is made one line of printable characters
first, so no header can be injected. The same message has the same Message-ID and the same parts at every try.
"""

import hmac
import re
from base64 import b32encode, encodebytes
from binascii import b2a_qp
from datetime import UTC, datetime
from email.header import Header
from email.utils import format_datetime
from hashlib import blake2b, sha256

from msgspec import Struct

from channels.ports import Parcel

ADDRESS_MAX = 254  # characters, RFC 5321 4.5.3.1.3
LOCAL_MAX = 64
VERP = "bounce+"
UNSUBSCRIBE = "unsubscribe+"
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]+")  # also those that turn the direction of writing
_BREAKS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u0085\u2028\u2029]")  # of bodies: all controls but tab and newline
TAG_CHARS = 10  # 50 bits: to forge one takes as many mails
_PLAIN_ID = re.compile(r"[A-Za-z0-9_.-]{1,41}")  # with the tag and ``unsubscribe+`` it fits into LOCAL_MAX
_UTF8_ATOM = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\u00a1-\U0010ffff]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\u00a1-\U0010ffff]+)*"
)
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_AMBIGUOUS = re.compile("[ßς\u200c\u200d]")  # IDNA 2003 and 2008 make different domains of them
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
_HTTPS = re.compile(
    r"https?://[\x21-\x3b\x3d\x3f-\x7e]{1,950}"
)  # no < and >, no spaces; a line of a mail has 998 characters
_NOT_MARKETING = frozenset({"legal", "transactional", "service"})  # purposes that nobody unsubscribes from


class BadAddress(ValueError):
    """An address that no mail can be sent to; the message does not hold it."""


class Mailbox(Struct, frozen=True):
    """An address that is safe in a header and in an envelope."""

    local: str
    domain: str  # ASCII

    @property
    def is_ascii(self) -> bool:
        """Tell whether it goes without SMTPUTF8."""
        return self.local.isascii()

    def __str__(self) -> str:
        """Return it as it stands in an envelope."""
        return f"{self.local}@{self.domain}"


class Sender(Struct, frozen=True):
    """Who writes."""

    mailbox: Mailbox
    name: str = ""
    reply_to: Mailbox | None = None
    return_domain: str = ""  # bounces come back to an address of each message there


class Letter(Struct, frozen=True):
    """A message ready for an envelope."""

    data: bytes  # lines end with CRLF
    message_id: str  # without its brackets
    return_path: str
    recipient: Mailbox
    envelope_id: str
    sender_domain: str
    needs_utf8: bool


def mailbox(text: str) -> Mailbox:
    """Read an address.

    Raises:
        BadAddress: it is none.
    """
    address = text.strip()
    local, at, domain = address.rpartition("@")
    if not at or not local or not domain:
        raise BadAddress("expected an address such as ada@example.com")
    ascii_domain = _ascii_domain(domain)
    if not _UTF8_ATOM.fullmatch(local) or len(local.encode(errors="replace")) > LOCAL_MAX or _CONTROL.search(local):
        raise BadAddress(
            "expected an address whose part before the @ is made of letters, digits and .!#$%&'*+/=?^_`{|}~-"
        )
    if not local.isascii() and any("\ud800" <= c <= "\udfff" for c in local):
        raise BadAddress("expected an address of Unicode characters")
    if len(local.encode()) + len(ascii_domain) + 1 > ADDRESS_MAX:
        raise BadAddress(f"expected an address of at most {ADDRESS_MAX} characters")
    return Mailbox(local, ascii_domain)


def sender(from_: str, reply_to: str | None = None, return_domain: str | None = None) -> Sender:
    """Read who writes: ``Lucky <news@example.com>``.

    Raises:
        BadAddress: an address is none.
    """
    name, address = _named_address(from_)
    answer = mailbox(_named_address(reply_to)[1]) if reply_to else None
    return Sender(mailbox(address), name, answer, _ascii_domain(return_domain) if return_domain else "")


def _named_address(text: str) -> tuple[str, str]:
    """Take ``Lucky, Inc. <news@example.com>`` apart; people do not quote the comma."""
    found = re.fullmatch(r"(.*?)\s*<([^<>]*)>", one_line(text))
    return (found[1].strip('" '), found[2]) if found else ("", one_line(text))


def one_line(text: str) -> str:
    """Return a text as one line without control characters."""
    return " ".join(_CONTROL.sub(" ", text.encode("utf-8", "replace").decode()).split())


def token_of(request: str) -> str:
    """Return what stands for a request in addresses: its id, or a digest of one that cannot."""
    return request if _PLAIN_ID.fullmatch(request) else blake2b(request.encode(), digest_size=16).hexdigest()


def signed_token(request: str, secret: str) -> str:
    """Return what a mail calls a request, and proves it by: its token and a tag that only we can make.

    Ids of requests can be guessed, and whoever names one could tell us that its player complained. Without a secret
    there is no tag, and what comes back is believed of nobody (``request_of``).
    """
    token = token_of(request)
    return f"{token}-{_tag(token, secret)}" if secret else token


def request_of(signed: str, secret: str) -> str:
    """Return the request (or the digest that stands for it) of a signed token; "" when it is none of ours."""
    token, _, tag = signed.rpartition("-")
    if not secret or not token or not hmac.compare_digest(tag.lower().encode(), _tag(token, secret).encode()):
        return ""
    return token


def _tag(token: str, secret: str) -> str:
    whole = hmac.digest(b"playtower-mail:" + secret.encode(), token.encode(), sha256)
    return b32encode(whole).decode()[:TAG_CHARS].lower()  # some servers change the case of addresses


def letter(parcel: Parcel, sender: Sender, secret: str = "") -> Letter:
    """Write a message.

    Args:
        secret: Signs the names that the message has in its headers (``signed_token``).

    Raises:
        BadAddress: the parcel's address is none.
    """
    recipient = mailbox(parcel.address.value if parcel.address else "")
    content, token = parcel.content, signed_token(parcel.id, secret)
    message_id = f"{token}@{sender.mailbox.domain}"
    name = one_line(str(content.get("from_name") or "")) or sender.name
    headers = [
        f"Date: {format_datetime(datetime.fromtimestamp(parcel.at / 1000, UTC))}",
        f"From: {_named(name, sender.mailbox, 'From')}",
        f"To: {_shown(recipient)}",
        f"Subject: {_words(one_line(str(content.get('subject') or '')), 'Subject')}",
        f"Message-ID: <{message_id}>",
    ]
    if sender.reply_to:
        headers.append(f"Reply-To: {_shown(sender.reply_to)}")
    headers += _unsubscribe(parcel, token, sender)
    language = str(content.get("language") or "")
    if _LANGUAGE.fullmatch(language):
        headers.append(f"Content-Language: {language}")
    headers += [
        "Auto-Submitted: auto-generated",
        f"Feedback-ID: {_word(parcel.template)}:{_word(parcel.purpose)}:playtower:{_word(sender.mailbox.domain)}",
        f"X-Playtower-Request: {token}",
        "MIME-Version: 1.0",
    ]
    data = "\r\n".join(headers).encode() + b"\r\n" + _body(content.get("text"), content.get("html"), token)
    return Letter(
        data=data,
        message_id=message_id,
        return_path=f"{VERP}{token}@{sender.return_domain}" if sender.return_domain else str(sender.mailbox),
        recipient=recipient,
        envelope_id=token,
        sender_domain=sender.mailbox.domain,
        needs_utf8=not all(box.is_ascii for box in (recipient, sender.mailbox, sender.reply_to) if box),
    )


def _unsubscribe(parcel: Parcel, token: str, sender: Sender) -> list[str]:
    """Return the headers of RFC 2369 and RFC 8058: for what can be unsubscribed from, and for nothing else."""
    url = parcel.unsubscribe_url
    if parcel.purpose in _NOT_MARKETING or not url:
        return []
    ways = [f"<{url}>"] if (is_posted := _HTTPS.fullmatch(url) is not None) else []
    if sender.return_domain:
        ways.append(f"<mailto:{UNSUBSCRIBE}{token}@{sender.return_domain}?subject=unsubscribe>")
    if not ways:
        return []
    said = ["List-Unsubscribe: " + ",\r\n ".join(ways)]
    # RFC 8058 wants https: providers ignore the button of an http address, which only a laptop's engine has.
    return [*said, "List-Unsubscribe-Post: List-Unsubscribe=One-Click"] if is_posted else said


def _body(text: object, html: object, token: str) -> bytes:
    plain = _part("plain", str(text or ""))
    if not html:
        return plain
    boundary = f"=_{blake2b(token.encode(), digest_size=12).hexdigest()}".encode()
    return b"".join(
        (
            b'Content-Type: multipart/alternative; boundary="' + boundary + b'"\r\n\r\n',
            # The line break before a boundary belongs to it.
            *(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in (plain, _part("html", str(html)))),
            b"--" + boundary + b"--\r\n",
        )
    )


def _part(subtype: str, text: str) -> bytes:
    """Return a part in quoted-printable, or base64 where most letters would be three characters."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    data = _BREAKS.sub("", lines).encode("utf-8", "replace")
    outside = sum(byte > 127 for byte in data) if not data.isascii() else 0
    if outside * 6 > len(data):
        encoding, body = "base64", encodebytes(data.replace(b"\n", b"\r\n"))
    else:
        encoding, body = "quoted-printable", b2a_qp(data, istext=True)
        body += b"" if body.endswith(b"\n") else b"\n"
    head = f'Content-Type: text/{subtype}; charset="utf-8"\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n'
    return head.encode() + body.replace(b"\n", b"\r\n")


def _words(text: str, header: str) -> str:
    """Return words as a header holds them: as they are when they are ASCII that fits, else as encoded words."""
    if text.isascii() and "=?" not in text and all(len(word) < 200 for word in text.split(" ")):
        return Header(text, "us-ascii", 76, header).encode(linesep="\r\n")
    return Header(text, "utf-8", 76, header).encode(linesep="\r\n")


def _named(name: str, box: Mailbox, header: str) -> str:
    name = name[:200]
    if not name:
        return _shown(box)
    if not name.isascii() or "=?" in name:
        said = Header(name, "utf-8", 60, header).encode(linesep="\r\n")
    elif _ATOMS.fullmatch(name):
        said = name
    else:
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        said = f'"{escaped}"'
    return f"{said}\r\n <{box}>" if len(said) + len(str(box)) > 60 else f"{said} <{box}>"


def _shown(box: Mailbox) -> str:
    return f"<{box}>"


def _word(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "-", text)[:60]


def _ascii_domain(domain: str) -> str:
    domain = domain.strip().rstrip(".")
    if not domain.isascii():
        if _AMBIGUOUS.search(domain):
            raise BadAddress("expected a domain that every mail server reads alike: write it with xn--")
        try:
            domain = domain.encode("idna").decode()
        except UnicodeError:
            raise BadAddress("expected a domain that can be written with xn--") from None
    labels = domain.split(".")
    if len(domain) > 253 or len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels):
        raise BadAddress("expected an address whose part after the @ is a domain")
    return domain.lower()
