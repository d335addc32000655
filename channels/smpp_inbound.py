"""``deliver_sm`` of SMPP 3.4: delivery reports (section 5.2.12, appendix B) and texts from phones."""

import re
import struct

from msgspec import Struct

from channels import sms_text
from channels.http import text_of
from channels.ports import Inbound
from channels.replies import outcome_of_reply

PARTS_MAX = 200  # parts kept that wait for the others of their text; then the oldest text is given as far as it came
_REPORT = 0x04  # of esm_class
_HAS_HEADER = 0x40
_PAYLOAD, _MESSAGE_ID, _STATE = 0x0424, 0x001E, 0x0427
_STATES = {
    1: "ENROUTE",
    2: "DELIVRD",
    3: "EXPIRED",
    4: "DELETED",
    5: "UNDELIV",
    6: "ACCEPTD",
    7: "UNKNOWN",
    8: "REJECTD",
}
_OUTCOMES = {
    "DELIVRD": "delivered",
    "EXPIRED": "bounced",
    "UNDELIV": "bounced",
    "DELETED": "failed",
    "REJECTD": "failed",
}
_ID = re.compile(r"\bid:(\S{1,65})", re.IGNORECASE)
_STAT = re.compile(r"\bstat:([A-Z]{1,10})", re.IGNORECASE)
_ERR = re.compile(r"\berr:(\w{1,10})", re.IGNORECASE)


class Delivery(Struct, frozen=True):
    """A message that an SMSC brought."""

    source: str = ""
    text: bytes = b""
    data_coding: int = 0
    is_report: bool = False
    part: tuple[int, int, int] | None = None  # reference, total, number
    message_id: str = ""
    state: int = 0


def read_delivery(body: bytes) -> Delivery:
    """Read a ``deliver_sm``.

    Raises:
        ValueError: it is none.
    """
    try:
        return _read(body)
    except (IndexError, struct.error) as error:
        raise ValueError("expected a deliver_sm") from error


def _read(body: bytes) -> Delivery:
    at = body.index(b"\0") + 1  # service_type
    ton = body[at]
    end = body.index(b"\0", at + 2)
    source = body[at + 2 : end].decode("ascii", "replace")
    at = body.index(b"\0", end + 3) + 1  # destination
    esm_class = body[at]
    at = body.index(b"\0", at + 3) + 1  # schedule_delivery_time
    at = body.index(b"\0", at) + 1  # validity_period
    data_coding, length = body[at + 2], body[at + 4]
    text = body[at + 5 : at + 5 + length]
    at += 5 + length
    message_id, state = "", 0
    while at + 4 <= len(body):
        tag, size = struct.unpack_from("!HH", body, at)
        value = body[at + 4 : at + 4 + size]
        at += 4 + size
        if tag == _PAYLOAD:
            text = value
        elif tag == _MESSAGE_ID:
            message_id = value.split(b"\0", 1)[0].decode("ascii", "replace")[:65]
        elif tag == _STATE and value:
            state = value[0]
    part = None
    if esm_class & _HAS_HEADER:
        text, part = sms_text.take_header(text)
    if ton == 1 and source.isdigit():
        source = f"+{source}"
    is_report = esm_class & 0x3C == _REPORT
    return Delivery(source, text, data_coding, is_report, part, message_id, state)


class Mailbox:
    """Puts the parts of long texts together."""

    def __init__(self) -> None:
        self._parts: dict[tuple[str, int, int], dict[int, str]] = {}

    def put(self, delivery: Delivery) -> Inbound | None:
        """Return what a message tells; None while parts are missing, or when it tells nothing (on its way)."""
        if delivery.is_report:
            return _report(delivery)
        text = sms_text.decode(delivery.text, delivery.data_coding)
        if delivery.part is None:
            return _reply(delivery.source, text)
        reference, total, number = delivery.part
        key = (delivery.source, reference, total)
        parts = self._parts.setdefault(key, {})
        parts[number] = text
        if len(parts) < total:
            if sum(map(len, self._parts.values())) <= PARTS_MAX:
                return None
            key = next(iter(self._parts))
            parts = self._parts.pop(key)
        return _reply(key[0], "".join(parts[index] for index in sorted(parts)))

    def forget(self, delivery: Delivery) -> None:
        """Let go of a text that was handed on: until then a part may come again."""
        if delivery.part is not None:
            self._parts.pop((delivery.source, *delivery.part[:2]), None)


def _reply(source: str, text: str) -> Inbound:
    return Inbound(outcome_of_reply(text), address=source, detail=text[:1600])


def _report(delivery: Delivery) -> Inbound | None:
    """Read a report: by its fields where it has them, else by the text of appendix B, which all SMSCs send."""
    text = delivery.text.decode("ascii", "replace")
    found_id, found_stat, found_err = _ID.search(text), _STAT.search(text), _ERR.search(text)
    message_id = delivery.message_id or (found_id[1] if found_id else "")
    stat = _STATES.get(delivery.state) or (found_stat[1].upper() if found_stat else "")
    outcome = _OUTCOMES.get(stat[:7])
    if outcome is None or not message_id:
        return None
    detail = "" if outcome == "delivered" else text_of(stat, f"err:{found_err[1]}" if found_err else "")
    return Inbound(outcome, provider_id=message_id, address=delivery.source, detail=detail)
