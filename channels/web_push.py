"""Push to browsers: RFC 8030, encrypted by RFC 8291 (aes128gcm), signed by VAPID (RFC 8292).

Endpoints come from players, so they are called through the guard, and only a known push service's trouble counts for
the connector's breaker: one hostile endpoint must not stop push for everybody. There is no idempotency key; ``Topic``
lets a second one of the same id replace the first while that waits for the browser.
"""

from base64 import urlsafe_b64encode
from hashlib import sha256
from urllib.parse import SplitResult, urlsplit

import msgspec
from py_vapid import Vapid02
from pywebpush import WebPusher

from channels.guard import Guard
from channels.http import Answer, Failure, Http, of_failure, of_trouble, text_of
from channels.ports import Parcel, Rejected, Result, Sent
from channels.secrets import SecretMissing
from crm.connectors import WebPushConnector
from domain.dispatch import URGENT

PLAINTEXT_MAX = 3993  # bytes: what fits the 4,096 that a push service must take (RFC 8291, 4)
TOKEN_LIFE_S = 12 * 3600  # of a VAPID token; RFC 8292 allows 24 hours
TOKENS_MAX = 100  # kept, one an origin
SERVICES = (
    "fcm.googleapis.com",
    "*.push.services.mozilla.com",
    "*.push.apple.com",
    "*.notify.windows.com",
)
"""The push services of the browsers; their answers tell of the service, not of one player's endpoint."""


class WebPushAdapter:
    """One VAPID key."""

    kind = "web_push"
    address_kinds = frozenset({"web_push"})
    is_idempotent = False

    def __init__(self, connector: WebPushConnector, private_key: str, *, guard: Guard | None = None) -> None:
        self._connector = connector
        self._vapid = read_key(private_key)
        self._tokens: dict[str, tuple[int, str]] = {}
        self._http = Http(
            timeout_s=connector.timeout_s,
            connections=connector.in_flight_max,
            is_guarded=not connector.allow_private,
            guard=guard,
        )

    async def send(self, parcel: Parcel) -> Result:
        """Encrypt a message for one browser and hand it to its push service."""
        if parcel.address is None or parcel.address.kind not in self.address_kinds:
            return Rejected("expected a browser's subscription")
        try:
            parts = urlsplit(parcel.address.value)
            is_allowed = self._is_allowed(parts)
        except ValueError:
            is_allowed, parts = False, urlsplit("")
        if not is_allowed:
            return Rejected("expected an https address of a push service", is_address_dead=True)
        payload = _payload(parcel)
        if len(payload) > PLAINTEXT_MAX:
            return Rejected(f"expected at most {PLAINTEXT_MAX} bytes of title, body and address, got {len(payload)}")
        try:
            # 0.2 ms: a thread would cost as much as it saves
            subscription = {"endpoint": parcel.address.value, "keys": dict(parcel.address.keys)}
            body = bytes(WebPusher(subscription).encode(payload)["body"])
        except Exception as error:  # whatever four libraries say of a key that is none
            return Rejected(f"expected keys of a subscription: {type(error).__name__}", is_address_dead=True)
        is_service = _is_among(parts.hostname or "", SERVICES)
        answer = await self._http.post(parcel.address.value, headers=self._headers(parcel, parts), content=body)
        if isinstance(answer, Failure):
            if answer.is_refused:
                return Rejected(answer.detail, is_address_dead=True)
            return of_failure(answer, is_provider=is_service)
        return _read(answer, parcel.at, is_service)

    async def close(self) -> None:
        """End the connections."""
        await self._http.close()

    def _is_allowed(self, parts: SplitResult) -> bool:
        """Tell whether an endpoint may be called; plain http only on this machine, and only where that is allowed."""
        host = parts.hostname or ""
        is_own = self._connector.allow_private and host in ("localhost", "127.0.0.1", "::1")
        is_safe = parts.scheme == "https" or (parts.scheme == "http" and is_own)
        is_listed = not self._connector.hosts or _is_among(host, self._connector.hosts)
        return is_safe and is_listed and bool(host) and parts.username is None and parts.port != 0

    def _headers(self, parcel: Parcel, parts: SplitResult) -> dict[str, str]:
        left_s = (parcel.expires_at - parcel.at) // 1000
        return {
            "authorization": self._token(f"{parts.scheme}://{parts.netloc}", parcel.at // 1000),
            "content-encoding": "aes128gcm",
            "content-type": "application/octet-stream",
            "ttl": str(max(0, min(left_s, self._connector.ttl_s))),
            "urgency": "high" if parcel.purpose in URGENT else "normal",
            "topic": urlsafe_b64encode(sha256(parcel.id.encode()).digest()[:24]).decode(),
        }

    def _token(self, origin: str, now_s: int) -> str:
        """Return the token for a push service, made once in half its life."""
        made_at, token = self._tokens.get(origin, (0, ""))
        if not token or not made_at <= now_s < made_at + TOKEN_LIFE_S // 2:
            claims = {"aud": origin, "exp": now_s + TOKEN_LIFE_S, "sub": self._connector.subject}
            token = self._vapid.sign(claims)["Authorization"]
            while len(self._tokens) >= TOKENS_MAX:
                del self._tokens[next(iter(self._tokens))]
            self._tokens[origin] = (now_s, token)
        return token


def read_key(private_key: str) -> Vapid02:
    """Return the key of a connector: PEM, or base64url of 32 bytes or of DER.

    Raises:
        SecretMissing: it is none; it is not repeated.
    """
    try:
        if private_key.startswith("-----BEGIN"):
            return Vapid02.from_pem(private_key.encode())
        return Vapid02.from_string(private_key)
    except Exception as error:  # whatever the library says of a key that is none
        raise SecretMissing(f"expected a P-256 key, base64url or PEM, got none: {type(error).__name__}") from None


def _is_among(host: str, patterns: tuple[str, ...]) -> bool:
    return any(host == pattern or (pattern[:2] == "*." and host.endswith(pattern[1:])) for pattern in patterns)


def _payload(parcel: Parcel) -> bytes:
    texts = {name: str(parcel.content.get(name) or "") for name in ("title", "body", "url", "icon")}
    return msgspec.json.encode({**{name: text for name, text in texts.items() if text}, "id": parcel.id})


def _read(answer: Answer, now: int, is_service: bool) -> Result:
    if answer.status in (200, 201, 202):
        return Sent(answer.headers.get("location", "")[:500])
    words = text_of(answer.body[:200].decode(errors="replace")) if is_service else ""
    detail = text_of(answer.status, words)
    if answer.status in (404, 410):
        return Rejected(detail, is_address_dead=True)
    if answer.status in (401, 403):  # the subscription was made with another key
        return Rejected(detail)
    return of_trouble(answer, now, words, is_provider=is_service) or Rejected(detail)
