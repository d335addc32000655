"""What comes back by mail: delivery status notices (RFC 3464), complaints (RFC 5965), and the odd ones of real servers.

A bounce names its message in several places, of which any may be missing: the address it was sent back to
(``bounce+<request>@``), ``Original-Envelope-Id``, the headers of the message that it returns, or only its text. Absence
notes and other automatic answers are nothing. A delay is no bounce either: the server is still trying.

Anybody may write to these addresses. So nothing is believed that does not bring a message's name with our own tag
(``channels.mime.signed_token``), which only those have that the message went to; and reading takes a time that grows
with the mail's length alone, which is bounded.
"""

import re
from collections.abc import Iterable, Iterator, MutableMapping
from email import message_from_bytes
from email.message import Message
from email.policy import Compat32
from hashlib import blake2b

from msgspec import Struct, structs

from channels.mime import UNSUBSCRIBE, VERP, request_of
from channels.ports import Inbound
from channels.smtp import is_dead

RAW_BYTES_MAX = 262_144  # of a bounce; what is longer is read so far
LINES_MAX = 10_000
HEADER_MAX = 2_000  # characters; the parser takes the square of it
NESTED_MAX = 40  # parts within parts: each line is compared with each boundary
REPORTS_MAX = 20  # recipients of one notice
_TEXT_MAX = 20_000
_DETAIL_MAX = 300
_TOKEN = r"([A-Za-z0-9_.-]{1,64})"
_RETURNED = re.compile(rf"\b{re.escape(VERP)}{_TOKEN}@", re.IGNORECASE)
_NESTING = re.compile(rb"boundary|message/", re.IGNORECASE)
_LEFT = re.compile(rf"\b{re.escape(UNSUBSCRIBE)}{_TOKEN}@", re.IGNORECASE)
_REQUEST = re.compile(
    rf"^(?:X-Playtower-Request:[ \t]*|Message-ID:\s{{0,4}}<){_TOKEN}(?=[ \t\r@]|$)", re.IGNORECASE | re.MULTILINE
)
_BRACKETED = re.compile(r"<([^<>\s@]{1,64}@[^<>\s@]{1,255})>")
_STATUS = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_CODE = re.compile(r"(?<![\d.])([45]\d\d)(?=[ -])")
_ADDRESS = re.compile(r"<?([A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}\.[A-Za-z]{2,63})>?")
_QMAIL = re.compile(r"^<([^<>\s@]{1,64}@[^<>\s@]{1,255})>:[ \t]*$", re.MULTILINE)
_EXIM = re.compile(r"^[ \t]{2,}([^\s<>@]{1,64}@[^\s<>@]{1,255})[ \t]*$", re.MULTILINE)
_POSTFIX = re.compile(r"^<([^<>\s@]{1,64}@[^<>\s@]{1,255})>(?: \([^)\n]{0,300}\))?:", re.MULTILINE)
_EXCHANGE = re.compile(r"^([^\s<>@]{1,64}@[^\s<>@]{1,255})$", re.MULTILINE)
_FAILED_SUBJECT = re.compile(
    r"undeliver|delivery (status notification|failed|failure|has failed)|returned mail|mail delivery (failed|failure)|"
    r"failure notice|delivery problem|unzustellbar|non remis|rejected|mail system error",
    re.IGNORECASE,
)
_DELAYED = re.compile(
    r"warning: message .{0,100} delayed|delivery (temporarily )?delayed|still being retried|\(delay", re.IGNORECASE
)
_FROM_DAEMON = re.compile(r"mailer-daemon|postmaster|mail delivery|microsoftexchange", re.IGNORECASE)
_ORIGINAL = re.compile(
    r"^(-{2,} ?(?:this is a copy|below this line|original message|the header of the original|message header)|"
    r"original message headers:|--- below this line)",
    re.IGNORECASE | re.MULTILINE,
)


class _Report(Struct, frozen=True):
    """What a notice says of one recipient."""

    address: str = ""
    action: str = ""
    status: str = ""
    said: str = ""


class _Bounded(Compat32):
    """Headers as they are written, each cut: they are taken apart in a time that grows with the square of them."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        return name, value[:HEADER_MAX]


_POLICY = _Bounded()


def read_mail(raw: bytes, secret: str = "", counts: MutableMapping[str, int] | None = None) -> tuple[Inbound, ...]:
    """Read a mail that came to the return path, to the complaints' address or to the one that unsubscribes.

    Args:
        secret: What our messages are signed with; without it nothing is believed.
        counts: ``mails_unreadable`` grows by a mail that no parser can read; such a one is about nothing.

    Returns:
        ``bounced`` (hard ones with ``is_address_dead``), ``complained`` or ``unsubscribed`` for each message that it
        is about; nothing for answers that a machine gave, delays, and mails that are about nothing we sent.
    """
    try:
        return _read(raw, secret)
    except Exception:  # the standard library's parser raises much, RecursionError too; the mail would come for days
        if counts is not None:
            counts["mails_unreadable"] = counts.get("mails_unreadable", 0) + 1
        return ()


def _read(raw: bytes, secret: str) -> tuple[Inbound, ...]:
    raw = raw[:RAW_BYTES_MAX].lstrip(b"\r\n")
    raw = b"\n".join(raw.splitlines()[:LINES_MAX]) + b"\n"
    if len(_NESTING.findall(raw)) > NESTED_MAX:
        raise ValueError("expected fewer parts within parts")
    mail = message_from_bytes(raw, policy=_POLICY)
    mark = _header(mail, "message-id").strip()[:250] or blake2b(raw, digest_size=16).hexdigest()
    return tuple(structs.replace(inbound, mark=mark) for inbound in _found(mail, raw, secret))


def _found(mail: Message, raw: bytes, secret: str) -> Iterable[Inbound]:
    if kind := _report_type(mail):
        found = _complaints(mail, raw, secret) if kind == "feedback-report" else _notices(mail, raw, secret)
        if found or kind == "feedback-report":
            return found
    if request := _request(_LEFT.findall(_destinations(mail)), secret):
        # Mail programs that unsubscribe by themselves say so (Auto-Submitted): whoever let them meant it.
        return (Inbound("unsubscribed", request=request),)
    return _plain_bounce(mail, raw, secret)


def _report_type(mail: Message) -> str:
    """Return which report it is; notices whose type is lost on the way are known by their parts."""
    if mail.get_content_type() == "multipart/report":
        said = str(mail.get_param("report-type") or "").lower()
        if said in ("feedback-report", "delivery-status"):
            return said
    kinds = {part.get_content_type() for part in mail.walk()}
    if "message/feedback-report" in kinds:
        return "feedback-report"
    return "delivery-status" if kinds & {"message/delivery-status", "message/global-delivery-status"} else ""


def _notices(mail: Message, raw: bytes, secret: str) -> list[Inbound]:
    names = _RETURNED.findall(_destinations(mail))
    reports: list[_Report] = []
    for part in mail.walk():
        if part.get_content_type() in ("message/delivery-status", "message/global-delivery-status"):
            for group in _groups(part):
                names.append(group.get("original-envelope-id", "").strip())
                if "final-recipient" in group or "original-recipient" in group:
                    reports.append(_of_group(group))
    if not (request := _request(names, secret) or _original_request(raw, secret)):
        return []
    text = _text(mail)
    return [
        _bounced(_told(report, text), request) for report in reports[:REPORTS_MAX] if report.action in ("failed", "")
    ]


def _groups(part: Message) -> Iterator[dict[str, str]]:
    """Yield the groups of fields of a delivery status: the message's, then each recipient's."""
    payload = part.get_payload()
    if isinstance(payload, list):  # the parser makes a message of each group
        for group in payload:
            yield {name.lower(): str(value) for name, value in group.items()} if isinstance(group, Message) else {}
        return
    text = _decoded(part)
    for block in re.split(r"\r?\n[ \t]*\r?\n", text):
        fields = re.findall(r"^([A-Za-z-]+):[ \t]*(.*(?:\r?\n[ \t]+.*)*)", block, re.MULTILINE)
        yield {name.lower(): value for name, value in fields}


def _of_group(group: dict[str, str]) -> _Report:
    address = group.get("original-recipient") or group.get("final-recipient", "")
    address = _unxtext(address.partition(";")[2] or address).strip().strip("<>")
    said = " ".join(group.get("diagnostic-code", "").split())
    status = _status(group.get("status", ""))
    return _Report(address, group.get("action", "").split("(")[0].strip().lower(), status, said)


def _told(report: _Report, text: str) -> _Report:
    """Return a report with what only the notice's words say: OpenSMTPD's status is 5.0.0 whatever the reason."""
    said, status = report.said, report.status
    if not said and report.address and (at := text.find(report.address)) >= 0:
        said = " ".join(text[at + len(report.address) :].split("\n\n")[0].split()).lstrip(">:. ")
    if not status or status.endswith(".0.0"):
        status = _status(said) or status
    return _Report(report.address, report.action, status, said)


def _bounced(report: _Report, request: str) -> Inbound:
    code = _match(_CODE, report.said)
    is_final = report.status.startswith("5") if report.status else code.startswith("5") or not code
    status = "" if report.status.endswith(".0.0") else report.status
    detail = report.said or report.status or "returned"
    if report.address:
        detail = re.sub(re.escape(report.address), "...", detail, flags=re.IGNORECASE)
    return Inbound(
        "bounced",
        request=request,
        address=report.address[:320],
        detail=detail[:_DETAIL_MAX],
        is_address_dead=is_final and is_dead(int(code or 550), status, report.said),
    )


def _complaints(mail: Message, raw: bytes, secret: str) -> list[Inbound]:
    """Read a complaint; a report that something is *not* spam is none."""
    fields: dict[str, str] = {}
    for part in mail.walk():
        if part.get_content_type() == "message/feedback-report":
            for group in _groups(part):
                fields |= group
            fields = fields or dict(_lines(_decoded(part)))
    kind = fields.get("feedback-type", "abuse").strip().lower()
    if kind in ("not-spam", "auth-failure", "dmarc"):
        return []
    address = _unxtext(fields.get("original-rcpt-to", "")).strip().strip("<>")
    names = _RETURNED.findall(f"{fields.get('original-mail-from', '')[:HEADER_MAX]} {_destinations(mail)}")
    if not (request := _request(names, secret) or _original_request(raw, secret)):
        return []
    outcome = "unsubscribed" if kind == "opt-out" else "complained"
    return [Inbound(outcome, request=request, address=address[:320], detail=kind[:_DETAIL_MAX])]


def _plain_bounce(mail: Message, raw: bytes, secret: str) -> Iterator[Inbound]:
    """Read a bounce that is only a text: qmail's, Exim's without a report, gateways'."""
    subject, writer, text = _header(mail, "subject")[:1_000], _header(mail, "from"), _text(mail)
    if _is_automatic(mail) and not _FROM_DAEMON.search(writer):
        return
    is_notice = bool(_FROM_DAEMON.search(writer) or _FAILED_SUBJECT.search(subject))
    said = "x-failed-recipients" in mail or bool(_FAILED_SUBJECT.search(subject)) or _says_failed(text)
    if not is_notice or not said or _DELAYED.search(subject) or _DELAYED.search(text[:500]):
        return
    request = _request(_RETURNED.findall(_destinations(mail)), secret) or _original_request(raw, secret)
    if not request:
        return
    before = _ORIGINAL.split(text, maxsplit=1)[0]
    address = _address(_header(mail, "x-failed-recipients")) or _failed_address(before)
    around = before[before.find(address) :] if address else before
    status = _status(around)
    reason = " ".join(around[len(address) :].split()).lstrip(">:. ")
    yield _bounced(_Report(address, "failed", status, reason[: _DETAIL_MAX * 2]), request)


def _failed_address(text: str) -> str:
    for pattern in (_QMAIL, _POSTFIX, _EXIM, _EXCHANGE, _ADDRESS):
        if found := _match(pattern, text):
            return found
    return ""


def _says_failed(text: str) -> bool:
    head = text[:2_000].lower()
    return any(
        words in head
        for words in ("permanent error", "could not be delivered", "wasn't able to deliver", "undeliverable")
    )


def _is_automatic(mail: Message) -> bool:
    """Tell whether a machine answered: absence notes, tickets (RFC 3834). Bounces are automatic too, but by daemons."""
    said = _header(mail, "auto-submitted").lower()
    precedence = _header(mail, "precedence").lower()
    return (
        said not in ("no", "")
        or "x-autoreply" in mail
        or "x-auto-response-suppress" in mail
        or precedence == "auto_reply"
    )


def _destinations(mail: Message) -> str:
    """Return every address that it came to."""
    names = ("to", "delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "cc")
    return " ".join(str(value) for name in names for value in mail.get_all(name, []))[:_TEXT_MAX]


def _header(mail: Message, name: str) -> str:
    return str(mail.get(name, ""))


def _address(text: str) -> str:
    return _match(_BRACKETED, text) or _match(_ADDRESS, text)


def _request(names: Iterable[str], secret: str) -> str:
    """Return the request of the first name that has our tag."""
    return next(filter(None, (request_of(name, secret) for name in names)), "")


def _original_request(raw: bytes, secret: str) -> str:
    """Return the request of the message that is returned, wherever its headers stand."""
    return _request((found[1] for found in _REQUEST.finditer(raw.decode("latin-1"))), secret)


def _text(mail: Message) -> str:
    parts = [part for part in mail.walk() if part.get_content_type() == "text/plain"]
    return _decoded(parts[0]) if parts else ""


def _decoded(part: Message) -> str:
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else str(part.get_payload()).encode("utf-8", "replace")
    return data[:_TEXT_MAX].decode("utf-8", "replace").replace("\r\n", "\n")


def _lines(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            yield name.strip().lower(), value.strip()


def _status(text: str) -> str:
    found = _STATUS.search(text)
    return found[0] if found else ""


def _match(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[1] if found else ""


def _unxtext(text: str) -> str:
    return re.sub(r"\+([0-9A-F]{2})", lambda found: chr(int(found[1], 16)), text)
