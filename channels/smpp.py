"""SMS by SMPP 3.4: texts, long ones in parts, delivery reports and replies. The protocol has no idempotency key."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from secrets import token_hex

from aiosmpplib import NPI, TON, PhoneNumber, SubmitSm
from msgspec import Struct, structs

from channels import sms_text
from channels.ports import Inbound, Parcel, Rejected, Result, Retry, Sent, Unclear
from channels.smpp_inbound import Mailbox, read_delivery
from channels.smpp_link import Down, Link, name_of
from channels.smpp_session import Lost, Session
from crm.connectors import SmppConnector

PASSWORD_MAX = 8  # characters, SMPP 3.4 section 5.2.2
VALIDITY_MAX_S = 2 * 86_400  # what networks keep an SMS at most
OUR_IDS_MAX = 100_000  # messages whose reports can be told by our own id; older ones by the provider's alone
THROTTLED_S = 1.0

_THROTTLED = frozenset({0x14, 0x58})  # RMSGQFUL, RTHROTTLED
_PROVIDER = frozenset({0x04, 0x08, 0x0D, 0x0E, 0x0F, 0xFF})  # not bound, system error, bind refused, unknown error
_LATER = frozenset({0x45, 0x64})  # RSUBMITFAIL, RX_T_APPN: this message, another time
_DEAD = frozenset({0x0B, 0x50, 0x51})  # no destination of that form

OnInbound = Callable[[Inbound], Awaitable[None]]


class _Ours(Struct, frozen=True):
    request: str
    player: str


class SmppAdapter:
    """One account of an SMSC, bound while the process lives.

    ``open`` binds before the first send: only a bound connection brings reports and replies. What comes is acknowledged
    after ``on_inbound`` has returned; when that raises, the SMSC keeps it and sends it again.
    """

    kind = "smpp"
    address_kinds = frozenset({"phone"})
    is_idempotent = False

    def __init__(self, connector: SmppConnector, password: str, *, on_inbound: OnInbound | None = None) -> None:
        self._connector = connector
        self._on_inbound = on_inbound
        self._link = Link(connector, password, self._deliver)
        self._window = asyncio.Semaphore(connector.in_flight_max)
        self._reference = 0
        self._ours: dict[str, _Ours] = {}
        self._mailbox = Mailbox()
        self.dropped = 0  # reports and replies that nobody takes

    def open(self) -> None:
        """Bind, and stay bound; in a running loop."""
        self._link.open()

    async def send(self, parcel: Parcel) -> Result:
        """Submit a text; of one in parts, the last part's report counts for the whole."""
        if parcel.address is None or parcel.address.kind not in self.address_kinds:
            return Rejected("expected a phone number")
        text = str(parcel.content.get("text") or "")
        encoded = sms_text.encode(text)
        if not text or len(encoded.parts) > self._connector.parts_max:
            return Rejected(f"expected a text of 1 to {self._connector.parts_max} SMS, got {len(encoded.parts)}")
        try:
            messages = self._messages(parcel, parcel.address.value, encoded)
        except (ValueError, UnicodeError):
            return Rejected("expected a phone number of at most 20 digits", is_address_dead=True)
        progress = _Progress(len(messages))
        try:
            async with asyncio.timeout(self._connector.timeout_s), self._window:
                session = await self._link.session()
                return self._sent(parcel, await self._submit(session, messages, progress))
        except _Refused as refused:
            return refused.result
        except Down as down:
            return Retry(str(down))
        except (TimeoutError, Lost) as error:
            detail = "no answer in time" if isinstance(error, TimeoutError) else "the connection broke"
            return Unclear(f"{detail}{progress}") if progress.has_left else Retry(detail)

    async def close(self) -> None:
        """Unbind."""
        await self._link.close()

    async def _submit(self, session: Session, messages: list[SubmitSm], progress: "_Progress") -> str:
        """Submit the parts one after the other; return the id of the last.

        Raises:
            _Refused: with what that means. What follows a part that was taken is unclear: a part is on its way.
        """
        provider_id = ""
        while progress.taken < len(messages):
            if session.ended.is_set():
                raise Lost
            progress.has_left = True
            reply = await session.request(messages[progress.taken])
            if reply.status in _THROTTLED and progress.taken:
                await asyncio.sleep(THROTTLED_S)  # the rest of a text that has begun waits, within the time
            elif reply.status:
                result = _verdict(reply.status)
                raise _Refused(Unclear(f"{name_of(reply.status)}{progress}") if progress.taken else result)
            else:
                progress.taken += 1
                provider_id = reply.body.split(b"\0", 1)[0].decode("ascii", "replace")[:65]
        return provider_id

    def _sent(self, parcel: Parcel, provider_id: str) -> Sent:
        if provider_id and self._connector.registered_delivery:
            while len(self._ours) >= OUR_IDS_MAX:
                del self._ours[next(iter(self._ours))]
            self._ours[provider_id] = _Ours(parcel.id, parcel.player)
        return Sent(provider_id)

    def _messages(self, parcel: Parcel, number: str, encoded: sms_text.Encoded) -> list[SubmitSm]:
        parts = encoded.parts
        if len(parts) == 1 or self._connector.long_texts == "payload":
            return [self._message(parcel, number, encoded, encoded.whole, has_header=False, is_last=True)]
        self._reference = (self._reference + 1) % 256
        return [
            self._message(
                parcel,
                number,
                encoded,
                sms_text.with_header(part, self._reference, len(parts), index),
                has_header=True,
                is_last=index == len(parts),
            )
            for index, part in enumerate(parts, start=1)
        ]

    def _message(
        self, parcel: Parcel, number: str, encoded: sms_text.Encoded, data: bytes, *, has_header: bool, is_last: bool
    ) -> SubmitSm:
        is_long = len(data) > sms_text.WHOLE[encoded.encoding] and not has_header
        left_s = max(1, min((parcel.expires_at - parcel.at) // 1000, VALIDITY_MAX_S))
        text = str(parcel.content["text"])
        message = SubmitSm(
            short_message="" if is_long else text,
            message_payload=text if is_long else "",
            source=self._source(),
            destination=_phone(number),
            esm_class=0x40 if has_header else 0,
            validity_period=timedelta(seconds=left_s),
            registered_delivery=int(self._connector.registered_delivery and is_last),
            encoding="gsm0338" if encoded.encoding == "gsm7" else "ucs2",
        )
        if not is_long:
            message.set_encoded_message(data)
        message.pdu()  # raises now, not when other parts are on their way
        return message

    def _source(self) -> PhoneNumber:
        written = self._connector.source_address
        guess = _phone(written) if written.removeprefix("+").isdigit() else PhoneNumber(written, TON.ALPHANUMERIC)
        ton, npi = self._connector.source_ton, self._connector.source_npi
        return PhoneNumber(guess.number, guess.ton if ton is None else TON(ton), guess.npi if npi is None else NPI(npi))

    async def _deliver(self, body: bytes) -> None:
        """Hand on what the SMSC sent: a report, or a reply."""
        try:
            delivery = read_delivery(body)
        except ValueError:  # it would be no better the next time
            self.dropped += 1
            return
        if (inbound := self._mailbox.put(delivery)) is None:
            return
        # Reports are named by their message. Texts have no name in SMPP: each that comes is one of its own.
        inbound = structs.replace(inbound, mark=f"{inbound.provider_id or token_hex(8)}/{inbound.outcome}")
        ours = self._ours.get(inbound.provider_id)
        if ours is not None:
            inbound = structs.replace(inbound, request=ours.request, player=ours.player)
        if self._on_inbound is None:
            self.dropped += 1
        else:
            await self._on_inbound(inbound)
        self._mailbox.forget(delivery)
        self._ours.pop(inbound.provider_id, None)


class _Progress:
    """How far a text has come."""

    def __init__(self, parts: int) -> None:
        self.parts, self.taken, self.has_left = parts, 0, False

    def __str__(self) -> str:
        return f" after {self.taken} of {self.parts} parts" if self.parts > 1 else ""


class _Refused(Exception):
    def __init__(self, result: Result) -> None:
        super().__init__()
        self.result = result


def _verdict(status: int) -> Result:
    name = name_of(status)
    if status in _THROTTLED:
        return Retry(name, after_s=THROTTLED_S)
    if status in _PROVIDER:
        return Retry(name)
    if status in _LATER:
        return Retry(name, is_provider=False)
    return Rejected(name, is_address_dead=status in _DEAD)


def _phone(number: str) -> PhoneNumber:
    digits = number.removeprefix("+")
    if not digits.isdecimal() or not digits.isascii():
        raise ValueError("expected digits")
    if number.startswith("+"):
        return PhoneNumber(digits, TON.INTERNATIONAL, NPI.ISDN)
    return PhoneNumber(digits, TON.UNKNOWN, NPI.ISDN)
