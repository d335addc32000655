"""What comes back by mail: delivery status notices (RFC 3464), complaints (RFC 5965), and the odd ones of real servers.

A bounce names its message in several places, of which any may be missing: the address it was sent back to
(``bounce+<request>@``), ``Original-Envelope-Id``, the headers of the message that it returns, or only its text. Absence
notes and other automatic answers are nothing. A delay is no bounce either: the server is still trying.
"""

import re
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from email.utils import parseaddr
from hashlib import blake2b

from msgspec import Struct, structs

from channels.mime import UNSUBSCRIBE, VERP
from channels.ports import Inbound
from channels.smtp import is_dead

RAW_BYTES_MAX = 1_000_000  # of a bounce; what is longer is read so far
REPORTS_MAX = 20  # recipients of one notice
_TEXT_MAX = 20_000
_DETAIL_MAX = 300
_TOKEN = r"([A-Za-z0-9_.-]{1,64})"
_RETURNED = re.compile(rf"\b{re.escape(VERP)}{_TOKEN}@", re.IGNORECASE)
_LEFT = re.compile(rf"\b{re.escape(UNSUBSCRIBE)}{_TOKEN}@", re.IGNORECASE)
_REQUEST = re.compile(rf"^X-Playtower-Request:[ \t]*{_TOKEN}[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_STATUS = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_CODE = re.compile(r"(?<![\d.])([45]\d\d)(?=[ -])")
_ADDRESS = re.compile(r"<?([A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}\.[A-Za-z]{2,63})>?")
_QMAIL = re.compile(r"^<([^<>\s@]+@[^<>\s@]+)>:\s*$", re.MULTILINE)
_EXIM = re.compile(r"^\s{2,}([^\s<>@]+@[^\s<>@]+)\s*$", re.MULTILINE)
_POSTFIX = re.compile(r"^<([^<>\s@]+@[^<>\s@]+)>(?: \([^)]*\))?:", re.MULTILINE)
_EXCHANGE = re.compile(r"^([^\s<>@]+@[^\s<>@]+)$", re.MULTILINE)
_FAILED_SUBJECT = re.compile(
    r"undeliver|delivery (status notification|failed|failure|has failed)|returned mail|mail delivery (failed|failure)|"
    r"failure notice|delivery problem|unzustellbar|non remis|rejected|mail system error",
    re.IGNORECASE,
)
_DELAYED = re.compile(
    r"warning: message .* delayed|delivery (temporarily )?delayed|still being retried|\(delay", re.IGNORECASE
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


def read_mail(raw: bytes) -> tuple[Inbound, ...]:
    """Read a mail that came to the return path, to the complaints' address or to the one that unsubscribes.

    Returns:
        ``bounced`` (hard ones with ``is_address_dead``), ``complained`` or ``unsubscribed`` for each message that it
        is about; nothing for answers that a machine gave, delays, and mails that are about nothing we sent.
    """
    raw = raw[:RAW_BYTES_MAX].lstrip(b"\r\n")
    mail = message_from_bytes(raw)
    mark = str(mail.get("message-id", "")).strip()[:250] or blake2b(raw, digest_size=16).hexdigest()
    return tuple(structs.replace(inbound, mark=mark) for inbound in _found(mail, raw))


def _found(mail: Message, raw: bytes) -> tuple[Inbound, ...]:
    if kind := _report_type(mail):
        found = _complaints(mail, raw) if kind == "feedback-report" else _notices(mail, raw)
        if found or kind == "feedback-report":
            return tuple(found)
    if request := _match(_LEFT, _destinations(mail)):
        return () if _is_automatic(mail) else (Inbound("unsubscribed", request=request, address=_from(mail)),)
    return tuple(_plain_bounce(mail, raw))


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


def _notices(mail: Message, raw: bytes) -> list[Inbound]:
    request = _match(_RETURNED, _destinations(mail))
    reports: list[_Report] = []
    for part in mail.walk():
        if part.get_content_type() in ("message/delivery-status", "message/global-delivery-status"):
            for group in _groups(part):
                request = request or _token(group.get("original-envelope-id", ""))
                if "final-recipient" in group or "original-recipient" in group:
                    reports.append(_of_group(group))
    request = request or _original_request(raw)
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


def _complaints(mail: Message, raw: bytes) -> list[Inbound]:
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
    request = _match(_RETURNED, fields.get("original-mail-from", "")) or _original_request(raw)
    request = request or _match(_RETURNED, _destinations(mail))
    outcome = "unsubscribed" if kind == "opt-out" else "complained"
    return (
        [Inbound(outcome, request=request, address=address[:320], detail=kind[:_DETAIL_MAX])]
        if request or address
        else []
    )


def _plain_bounce(mail: Message, raw: bytes) -> Iterator[Inbound]:
    """Read a bounce that is only a text: qmail's, Exim's without a report, gateways'."""
    request = _match(_RETURNED, _destinations(mail))
    subject, text = str(mail.get("subject", "")), _text(mail)
    if _is_automatic(mail) and not _FROM_DAEMON.search(str(mail.get("from", ""))):
        return
    is_notice = bool(_FROM_DAEMON.search(str(mail.get("from", ""))) or _FAILED_SUBJECT.search(subject))
    said = "x-failed-recipients" in mail or bool(_FAILED_SUBJECT.search(subject)) or _says_failed(text)
    if not is_notice or not said or _DELAYED.search(subject) or _DELAYED.search(text[:500]):
        return
    request = request or _original_request(raw)
    if not request:
        return
    before = _ORIGINAL.split(text, maxsplit=1)[0]
    address = parseaddr(str(mail.get("x-failed-recipients", "")))[1] or _failed_address(before)
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
    said = str(mail.get("auto-submitted", "no")).lower()
    precedence = str(mail.get("precedence", "")).lower()
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


def _from(mail: Message) -> str:
    return parseaddr(str(mail.get("from", "")))[1][:320]


def _original_request(raw: bytes) -> str:
    """Return the request of the message that is returned, wherever its headers stand."""
    return _match(_REQUEST, raw.decode("latin-1"))


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


def _token(text: str) -> str:
    text = text.strip()
    return text if re.fullmatch(_TOKEN, text) else ""


def _match(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[1] if found else ""


def _unxtext(text: str) -> str:
    return re.sub(r"\+([0-9A-F]{2})", lambda found: chr(int(found[1], 16)), text)
