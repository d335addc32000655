"""Webhooks as Standard Webhooks 1.0 says: signed, with an id that stays the same at every try.

That standard tells receivers to drop a second one of the same id: an unclear send is tried again for everybody.
"""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import quote

import msgspec

from channels.guard import Guard
from channels.http import Answer, Failure, Http, of_failure
from channels.ports import Parcel, Rejected, Result, Retry, Sent
from channels.secrets import SecretMissing
from crm.connectors import WebhookConnector
from domain import granting

EVENT = "message.sent"
PREFIX = "whsec_"


def signing_key(secret: str) -> bytes:
    """Return the key of a secret in the form of the standard.

    Raises:
        SecretMissing: it has another form, or fewer than 24 or more than 64 bytes; it is not repeated.
    """
    try:
        key = b64decode(secret.removeprefix(PREFIX) + "=" * (-len(secret.removeprefix(PREFIX)) % 4), validate=True)
    except ValueError:
        key = b""
    if not secret.startswith(PREFIX) or not 24 <= len(key) <= 64:
        raise SecretMissing(
            f"expected a secret of the form {PREFIX} and base64 of 24 to 64 bytes, got {len(key)} bytes"
        )
    return key


def sign(keys: tuple[bytes, ...], message_id: str, timestamp_s: int, body: bytes) -> str:
    """Return ``webhook-signature``: one for each key, the newest first."""
    said = f"{message_id}.{timestamp_s}.".encode() + body
    return " ".join("v1," + b64encode(hmac.digest(key, said, sha256)).decode() for key in keys)


class WebhookAdapter:
    """One endpoint of the operator's."""

    kind = "webhook"
    address_kinds: frozenset[str] = frozenset()
    is_idempotent = True

    def __init__(
        self,
        connector: WebhookConnector,
        secrets: tuple[str, ...],
        headers: Mapping[str, str] | None = None,
        *,
        guard: Guard | None = None,
    ) -> None:
        self._url = connector.url
        self._keys = tuple(signing_key(secret) for secret in secrets)
        self._headers = {**(headers or {}), "content-type": "application/json"}
        self._http = Http(
            timeout_s=connector.timeout_s,
            connections=connector.in_flight_max,
            is_guarded=not connector.allow_private,
            guard=guard,
        )

    async def send(self, parcel: Parcel) -> Result:
        """Post a message: 2xx is taken, 410 never again, anything else another time."""
        body = _body(parcel)
        stamp, message_id = (
            parcel.at // 1000,
            quote(parcel.id, safe="!#$&'()*+,/:;=?@[]~|"),
        )  # a header's value is ASCII
        headers = {
            **self._headers,
            "webhook-id": message_id,
            "webhook-timestamp": str(stamp),
            "webhook-signature": sign(self._keys, message_id, stamp, body),
        }
        answer = await self._http.post(self._url, headers=headers, content=body)
        if isinstance(answer, Failure):
            return of_failure(answer)
        return _read_grant(answer, parcel.at) if "grant" in parcel.content else _read(answer, parcel.at)

    async def close(self) -> None:
        """End the connections."""
        await self._http.close()


def _body(parcel: Parcel) -> bytes:
    at = datetime.fromtimestamp(parcel.at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if (grant := parcel.content.get("grant")) is not None:
        granted = {"purchase": parcel.id, "player_id": parcel.player, **grant}
        return msgspec.json.encode({"type": granting.EVENT, "timestamp": at, "data": granted})
    data = {
        "id": parcel.id,
        "player_id": parcel.player,
        "template": parcel.template,
        "purpose": parcel.purpose,
        "payload": parcel.content.get("payload", {}),
    }
    return msgspec.json.encode({"type": EVENT, "timestamp": at, "data": data})


def _read(answer: Answer, now: int) -> Result:
    if 200 <= answer.status < 300:
        return Sent(detail=str(answer.status))
    if answer.status == 410:
        return Rejected("410: the receiver wants no more", is_address_dead=True)
    if answer.status in (400, 413, 422):  # this message, not the endpoint
        return Rejected(str(answer.status))
    return Retry(str(answer.status), after_s=answer.retry_after_s(now))


def _read_grant(answer: Answer, now: int) -> Result:
    """Read what the platform said of a grant: granted (also by saying nothing), pending, or failed.

    A body that is understood by nobody is pending: the platform, or a person, says later what became of it.
    """
    if 200 <= answer.status < 300:
        body = answer.json()
        status = body.get("status", granting.GRANTED if not answer.body.strip() else None)
        if status not in (granting.GRANTED, granting.FAILED):
            status = granting.PENDING
        said = {"status": status, "reason": str(body.get("reason") or "")[:300]}
        return Sent(detail=f"{answer.status} {status}", said=said)
    if 400 <= answer.status < 500 and answer.status not in (408, 425, 429):
        return Rejected(str(answer.status))
    return Retry(str(answer.status), after_s=answer.retry_after_s(now))
