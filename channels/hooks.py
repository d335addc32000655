"""What providers post to ``/v1/hooks/{connector}``: verified, and read as ``Inbound``s."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from channels import telegram, twilio, whatsapp
from channels.ports import Inbound
from channels.secrets import ReadSecret, SecretMissing, read_secret
from crm.connectors import Secret, TelegramConnector, TwilioConnector, WhatsAppConnector, read_connector
from domain.errors import Forbidden, NotFound

BODY_MAX = 3 * 1024 * 1024  # bytes: what Meta posts at most; it batches up to 1,000 updates


class HookRequest(Struct, frozen=True):
    """A request to a connector's hook."""

    method: str  # GET or POST
    url: str  # in full, written as the provider was told it: signatures cover it
    headers: Mapping[str, str]  # names in lower case
    body: bytes = b""


class HookAnswer(Struct, frozen=True):
    """What a provider told, and what to answer it (200)."""

    inbound: tuple[Inbound, ...] = ()
    text: str = ""
    content_type: str = "text/plain"


def read_hook(document: Mapping[str, Any], request: HookRequest, *, secrets: ReadSecret = read_secret) -> HookAnswer:
    """Verify and read what came to a connector's hook.

    Raises:
        Forbidden: it is not signed as the provider signs, or the connector names no secret to verify it with.
        NotFound: connectors of this kind have no hook.
    """
    connector = read_connector(document)
    if isinstance(connector, TwilioConnector) and request.method == "POST":
        secret = _secret(connector.auth_token, "auth_token", secrets)
        found = twilio.parse_hook(request.body, request.headers, request.url, secret)
        return HookAnswer(_verified(found, "x-twilio-signature"), "<Response/>", "text/xml")
    if isinstance(connector, TelegramConnector) and request.method == "POST":
        secret = _secret(connector.hook_secret, "hook_secret", secrets)
        found = telegram.parse_hook(request.body, request.headers, secret)
        return HookAnswer(_verified(found, "x-telegram-bot-api-secret-token"))
    if isinstance(connector, WhatsAppConnector) and request.method == "POST":
        secret = _secret(connector.app_secret, "app_secret", secrets)
        found = whatsapp.parse_hook(request.body, request.headers, secret)
        return HookAnswer(_verified(found, "x-hub-signature-256"))
    if isinstance(connector, WhatsAppConnector) and request.method == "GET":
        token = _secret(connector.verify_token, "verify_token", secrets)
        if (text := whatsapp.challenge(request.url.partition("?")[2], token)) is None:
            raise Forbidden("expected hub.mode=subscribe and our hub.verify_token", code="hook_not_verified")
        return HookAnswer(text=text)
    raise NotFound(f"connectors of the kind {connector.kind} have no hook for {request.method}", code="no_hook")


def _secret(secret: Secret | None, field: str, secrets: ReadSecret) -> str:
    if secret is None:
        raise Forbidden(f"expected `{field}` in the connector: without it nothing can be verified", code="hook_closed")
    try:
        return secrets(secret)
    except SecretMissing:  # where it was looked for is told to operators (the courier's status), not to the internet
        raise Forbidden(f"the secret `{field}` of the connector cannot be read", code="hook_closed") from None


def _verified(found: tuple[Inbound, ...] | None, header: str) -> tuple[Inbound, ...]:
    if found is None:
        raise Forbidden(f"expected a right {header}", code="hook_not_verified")
    return found
