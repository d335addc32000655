"""Push to apps by Firebase Cloud Messaging, HTTP v1.

FCM documents no idempotency key. The request's id is the notification's tag and its APNs collapse id, so a second one
of the same id takes the place of the first on the device. https://firebase.google.com/docs/reference/fcm/rest/v1
"""

import asyncio
from hashlib import sha256
from typing import Any

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from msgspec import Struct

from channels.http import Answer, Failure, Http, of_failure, of_trouble, text_of
from channels.ports import Parcel, Rejected, Result, Retry, Sent
from channels.secrets import SecretMissing
from crm.connectors import FcmConnector
from domain.dispatch import URGENT

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASSERTION_LIFE_S = 3600
EARLY_S = 300  # a token is renewed so long before it ends
QUOTA_S = 60.0  # what FCM asks for when a 429 says nothing
PAYLOAD_MAX = 4_000  # bytes of a message; FCM takes 4,096


class ServiceAccount(Struct, frozen=True):
    """What is used of the key file."""

    client_email: str
    private_key: str
    private_key_id: str = ""


class FcmAdapter:
    """One project."""

    kind = "fcm"
    address_kinds = frozenset({"fcm"})
    is_idempotent = False

    def __init__(self, connector: FcmConnector, service_account: str) -> None:
        self._connector = connector
        self._account, self._key = read_account(service_account)
        self._url = f"{connector.base_url}/v1/projects/{connector.project_id}/messages:send"
        self._http = Http(timeout_s=connector.timeout_s, connections=connector.in_flight_max)
        self._token = ""
        self._token_until = 0  # s
        self._fetching = asyncio.Lock()

    async def send(self, parcel: Parcel) -> Result:
        """Send a notification to one app, fetching an access token when the last one is old."""
        if parcel.address is None or parcel.address.kind not in self.address_kinds:
            return Rejected("expected a registration token of FCM")
        content = msgspec.json.encode({"message": self._message(parcel, parcel.address.value)})
        if len(content) > PAYLOAD_MAX + len(parcel.address.value):
            return Rejected(f"expected at most {PAYLOAD_MAX} bytes of title, body and address")
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + self._connector.timeout_s
        try:
            async with asyncio.timeout(self._connector.timeout_s / 2):
                token = await self._access_token(parcel.at)
        except TimeoutError:
            return Retry("no access token in time")
        if not isinstance(token, str):
            return token
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        answer = await self._http.post(
            self._url, headers=headers, content=content, timeout_s=max(0.1, ends_at - loop.time())
        )
        if isinstance(answer, Failure):
            return of_failure(answer)
        if answer.status == 401 and self._token == token:
            self._token = ""  # withdrawn early: the next send fetches another
        return _read(answer, parcel.at)

    async def close(self) -> None:
        """End the connections."""
        await self._http.close()

    def _message(self, parcel: Parcel, token: str) -> dict[str, Any]:
        texts = {name: str(parcel.content.get(name) or "") for name in ("title", "body", "url", "icon")}
        left_s = (parcel.expires_at - parcel.at) // 1000
        ttl_s = max(0, min(left_s, self._connector.ttl_s))
        is_urgent = parcel.purpose in URGENT
        message: dict[str, Any] = {
            "token": token,
            "notification": {"title": texts["title"], "body": texts["body"]},
            "data": {"id": parcel.id, **({"url": texts["url"]} if texts["url"] else {})},
            "android": {
                "ttl": f"{ttl_s}s",
                "priority": "HIGH" if is_urgent else "NORMAL",
                "notification": {"tag": parcel.id},
            },
            "apns": {
                "headers": {
                    "apns-expiration": str(parcel.at // 1000 + ttl_s),
                    "apns-priority": "10" if is_urgent else "5",
                    "apns-collapse-id": sha256(parcel.id.encode()).hexdigest(),  # 64 bytes, the most there may be
                }
            },
        }
        if texts["icon"].startswith("https://"):
            message["notification"]["image"] = texts["icon"]
        return message

    async def _access_token(self, now: int) -> str | Result:
        """Return a token, or what no token means; only one request is made for all that wait."""
        async with self._fetching:
            if self._token and now // 1000 < self._token_until:
                return self._token
            answer = await self._http.post(
                self._connector.token_url, form={"grant_type": GRANT, "assertion": self._assertion(now // 1000)}
            )
            if isinstance(answer, Failure):  # nothing was sent to a player, whether or not this request had left
                return Retry(f"access token: {answer.detail}")
            said = answer.json()
            token, life_s = said.get("access_token"), said.get("expires_in")
            if answer.status != 200 or not isinstance(token, str) or not token:
                detail = text_of("access token:", answer.status, said.get("error"), said.get("error_description"))
                return Retry(detail, after_s=answer.retry_after_s(now))
            life_s = life_s if isinstance(life_s, int) and life_s > 0 else 0
            self._token, self._token_until = token, now // 1000 + max(0, life_s - EARLY_S)
            return token

    def _assertion(self, now_s: int) -> str:
        claims = {
            "iss": self._account.client_email,
            "scope": SCOPE,
            "aud": self._connector.token_url,
            "iat": now_s,
            "exp": now_s + ASSERTION_LIFE_S,
        }
        headers = {"kid": self._account.private_key_id} if self._account.private_key_id else None
        return jwt.encode(claims, self._key, algorithm="RS256", headers=headers)


def read_account(text: str) -> tuple[ServiceAccount, RSAPrivateKey]:
    """Return the account and its key.

    Raises:
        SecretMissing: it is no key file of a service account; what it holds is not repeated.
    """
    try:
        account = msgspec.json.decode(text, type=ServiceAccount)
        key = load_pem_private_key(account.private_key.encode(), password=None)
    except (ValueError, TypeError) as error:
        raise SecretMissing(f"expected the JSON key file of a service account: {type(error).__name__}") from None
    if not isinstance(key, RSAPrivateKey):
        raise SecretMissing("expected the RSA key of a service account, got another kind of key")
    return account, key


def _read(answer: Answer, now: int) -> Result:
    said = answer.json()
    if answer.status == 200:
        return Sent(str(said.get("name") or "")[:300])
    error = said.get("error")
    error = error if isinstance(error, dict) else {}
    details = [part for part in error.get("details") or () if isinstance(part, dict)]
    code = next((str(part["errorCode"]) for part in details if "errorCode" in part), str(error.get("status") or ""))
    words = text_of(code, error.get("message"))
    detail = text_of(answer.status, words)
    if code in ("UNREGISTERED", "SENDER_ID_MISMATCH") or (code == "INVALID_ARGUMENT" and _is_of_token(details)):
        return Rejected(detail, is_address_dead=True)
    if code == "THIRD_PARTY_AUTH_ERROR":  # the project's key for APNs or the web: only those devices fail
        return Retry(detail, is_provider=False)
    if answer.status == 429:
        return Retry(detail, after_s=answer.retry_after_s(now) or QUOTA_S)
    if answer.status == 404:  # the project, or the address, is not there: UNREGISTERED says so itself
        return Retry(detail)
    return of_trouble(answer, now, words) or (Retry(detail) if answer.status < 400 else Rejected(detail))


def _is_of_token(details: list[dict[str, Any]]) -> bool:
    """Tell whether what FCM calls invalid is the registration token."""
    violations = [v for part in details for v in part.get("fieldViolations") or () if isinstance(v, dict)]
    return any(violation.get("field") == "message.token" for violation in violations)
