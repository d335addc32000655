"""E-mail by SMTP (RFC 5321), with TLS, login, delivery status notices (RFC 3461) and a pool of open connections.

What an answer means depends on where it came. Until the final dot has left, the message is certainly not sent; after
it, a connection that ends says nothing. A refusal of the recipient is the message's; one of the greeting, the login or
the sender is the provider's, for it would refuse all.
"""

import asyncio
import re
import ssl

from aiosmtplib import SMTP
from aiosmtplib.errors import (
    SMTPAuthenticationError,
    SMTPConnectResponseError,
    SMTPException,
    SMTPResponseException,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)

from channels.mime import BadAddress, Letter, Sender, letter, sender
from channels.ports import Parcel, Rejected, Result, Retry, Sent, Unclear
from crm.connectors import SmtpConnector

IDLE_MAX_S = 60.0  # a connection unused for longer is not used again
MESSAGES_MAX = 100  # over one connection; many servers end it then
_DETAIL_MAX = 200
_ENHANCED = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_NOBODY = re.compile(
    r"user unknown|unknown user|no such (user|mailbox|recipient|person)|unknown (recipient|mailbox|address)|"
    r"(user|mailbox|recipient|address|account) (does not exist|doesn't exist|not found|unknown)|"
    r"(mailbox|account|address) (is )?(disabled|inactive)|does not have an? .{0,40}account|invalid (recipient|mailbox)",
    re.IGNORECASE,
)
_TOO_BIG = ("5.3.4", "5.2.3")


class SmtpAdapter:
    """One mail server, with up to ``in_flight_max`` connections that are kept open between messages."""

    kind = "smtp"
    address_kinds = frozenset({"email"})
    is_idempotent = False  # a Message-ID seen twice is not dropped by most

    def __init__(self, connector: SmtpConnector, password: str = "", token_secret: str = "") -> None:
        self._connector = connector
        self._password = password
        self._token_secret = token_secret  # signs the names by which bounces find their messages
        self._sender: Sender | None = None
        self._trouble = ""
        try:
            self._sender = sender(connector.from_, connector.reply_to, connector.return_path_domain)
        except BadAddress as error:  # the connector's trouble, not a message's: its breaker opens and says so
            self._trouble = f"`from`, `reply_to` or `return_path_domain` of the connector: {error}"
        self._tls = None if connector.tls == "none" else _tls(connector.verify)
        self._idle: list[_Connection] = []
        self._room = asyncio.Semaphore(connector.in_flight_max)
        self._is_closed = False

    async def send(self, parcel: Parcel) -> Result:
        """Hand one message to the server, within ``timeout_s`` with connecting and waiting for a connection."""
        if parcel.address is None or parcel.address.kind not in self.address_kinds:
            return Rejected("expected an e-mail address")
        try:
            if self._sender is None:
                return Retry(self._trouble)
            written = letter(parcel, self._sender, self._token_secret)
        except BadAddress as error:
            return Rejected(str(error), is_address_dead=True)
        progress = _Progress()
        try:
            async with asyncio.timeout(self._connector.timeout_s):
                # Half of the time for waiting: a try that begins in the last moment would end unclear.
                await asyncio.wait_for(self._room.acquire(), self._connector.timeout_s / 2)
                try:
                    result = await self._attempt(written, progress)
                finally:
                    self._room.release()
        except TimeoutError:
            result = progress.lost(f"no answer within {self._connector.timeout_s:g} s")
        return _without_address(result, parcel.address.value)

    async def close(self) -> None:
        """End the connections politely."""
        self._is_closed = True
        idle, self._idle = self._idle, []
        await asyncio.gather(*(connection.quit() for connection in idle))

    async def _attempt(self, written: Letter, progress: "_Progress") -> Result:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_fresh:
                connection.drop()
                continue
            # The server may have ended it while it lay idle. Nothing has been sent by it then: a new one is made.
            result = await self._use(connection, written, progress)
            if result is not None:
                return result
        try:
            connection = await self._connect(written.sender_domain)
        except _CONNECTING as error:
            return _not_connected(error)
        result = await self._use(connection, written, progress)
        return result if result is not None else progress.lost("the server ended the connection")

    async def _use(self, connection: "_Connection", written: Letter, progress: "_Progress") -> Result | None:
        """Send by a connection; None when it had ended before anything was said."""
        is_kept = False
        try:
            result = await connection.send(written, progress)
            is_kept = True
        except SMTPResponseException as refused:
            result = progress.refused(refused)
            is_kept = refused.code != 421 and await connection.reset()
        except (SMTPException, OSError) as error:
            if connection.is_used and not progress.has_begun:
                return None
            result = progress.lost(str(error) or type(error).__name__)
        finally:
            if is_kept and not self._is_closed:
                self._idle.append(connection)
            else:
                connection.drop()
        return result

    async def _connect(self, domain: str) -> "_Connection":
        connector = self._connector
        client = SMTP(
            hostname=connector.host,
            port=connector.port,
            local_hostname=connector.hello or domain,
            timeout=connector.timeout_s,
            use_tls=connector.tls == "tls",
            start_tls=connector.tls == "starttls",
            tls_context=self._tls,
        )
        try:
            await client.connect()
            if client.is_ehlo_or_helo_needed:  # what it can do is asked before the first message, not after it
                await client.ehlo()
            if connector.username is not None:
                await client.login(connector.username, self._password)
        except BaseException:
            client.close()
            raise
        return _Connection(client)


class _Progress:
    """How far a try has come: what an answer, or none, means."""

    def __init__(self) -> None:
        self.step = ""  # MAIL, RCPT, DATA; "" before
        self.has_begun = False  # the server has answered something of this message
        self.is_away = False  # the final dot has left

    def lost(self, why: str) -> Result:
        """Return what a connection that ended means."""
        detail = _short(f"{self.step or 'connecting'}: {why}")
        return Unclear(detail) if self.is_away else Retry(detail)

    def refused(self, said: SMTPResponseException) -> Result:
        """Return what a refusal means."""
        code, message = said.code, said.message
        found = _ENHANCED.search(message)
        status = found[0] if found and found[1] == str(code // 100) else ""
        detail = _short(f"{self.step}: {code} {message}")
        if code == 421 or not 400 <= code < 600:
            return self.lost(f"{code} {message}") if code != 421 else Retry(detail)
        if code < 500:
            is_system = (
                status.startswith("4.3.") or code == 454 or (self.step == "MAIL" and not status.startswith("4.7."))
            )
            return Retry(detail, is_provider=is_system)
        if self.step == "MAIL":
            return Rejected(detail) if code == 552 or status in _TOO_BIG else Retry(detail)
        if code in (530, 535):
            return Retry(detail)  # the login is missing or wrong
        return Rejected(detail, is_address_dead=is_dead(code, status, message))


class _Connection:
    """One connection that has greeted, and logged in where it must."""

    def __init__(self, client: SMTP) -> None:
        self._client = client
        self._sent = 0
        self._used_at = asyncio.get_running_loop().time()

    @property
    def is_used(self) -> bool:
        """Tell whether a message before this one went by it."""
        return self._sent > 1

    @property
    def is_fresh(self) -> bool:
        """Tell whether it may be used once more."""
        age = asyncio.get_running_loop().time() - self._used_at
        return self._client.is_connected and age < IDLE_MAX_S and self._sent < MESSAGES_MAX

    async def send(self, written: Letter, progress: _Progress) -> Result:
        """Send a message.

        Raises:
            SMTPResponseException: the server refused it; ``progress`` tells at which step.
            SMTPException: the connection ended.
        """
        client = self._client
        if written.needs_utf8 and not client.supports_extension("smtputf8"):
            return Rejected("the address needs SMTPUTF8, which the server does not speak")
        data = _stuffed(written.data)
        mail, rcpt = self._options(written, len(data))
        encoding = "utf-8" if written.needs_utf8 else "ascii"
        progress.step = "MAIL"
        self._sent += 1
        try:
            await client.mail(written.return_path, options=mail, encoding=encoding)
        finally:
            progress.has_begun = client.is_connected
        progress.step = "RCPT"
        await client.rcpt(str(written.recipient), options=rcpt, encoding=encoding)
        progress.step = "DATA"
        start = await client.execute_command(b"DATA")
        if start.code != 354:
            raise SMTPResponseException(start.code, start.message)
        protocol = client.protocol
        if protocol is None:
            raise SMTPServerDisconnected("Connection lost")
        protocol.write(data)
        await protocol._drain_helper()
        # Nobody else may see a half-sent message: without the dot, a server throws it away (RFC 5321 4.1.1.4).
        if client.transport is None or client.transport.is_closing():
            raise SMTPServerDisconnected("Connection lost")
        progress.is_away = True
        protocol.write(b".\r\n")
        answer = await protocol.read_response()
        progress.is_away = False  # whatever it is, the server has said it
        if not 200 <= answer.code < 300:  # RFC 5321 4.2.1: any 2xx is a yes
            raise SMTPResponseException(answer.code, answer.message)
        self._used_at = asyncio.get_running_loop().time()
        return Sent(written.message_id, _short(answer.message))

    def _options(self, written: Letter, size: int) -> tuple[list[str], list[str]]:
        client, mail, rcpt = self._client, [], []
        if client.supports_extension("size"):
            mail.append(f"SIZE={size}")
        if written.needs_utf8:
            mail += ["SMTPUTF8"] + (["BODY=8BITMIME"] if client.supports_extension("8bitmime") else [])
        if client.supports_extension("dsn"):
            mail += ["RET=HDRS", f"ENVID={_xtext(written.envelope_id)}"]
            rcpt.append("NOTIFY=FAILURE,DELAY")
            if written.recipient.is_ascii:
                rcpt.append(f"ORCPT=rfc822;{_xtext(str(written.recipient))}")
        return mail, rcpt

    async def reset(self) -> bool:
        """Forget a refused message; tell whether the connection is still good."""
        try:
            await self._client.rset()
        except (SMTPException, OSError):
            return False
        self._used_at = asyncio.get_running_loop().time()
        return True

    async def quit(self) -> None:
        """Say good-bye and end."""
        try:
            await self._client.quit(timeout=1)
        except (SMTPException, OSError):
            self.drop()

    def drop(self) -> None:
        """End without a word."""
        self._client.close()


_CONNECTING = (SMTPException, OSError, ssl.SSLError, ValueError, RuntimeError)


def _not_connected(error: Exception) -> Retry:
    if isinstance(error, SMTPAuthenticationError):
        return Retry(_short(f"the server refused the login: {error.code} {error.message}"))
    if isinstance(error, SMTPConnectResponseError | SMTPResponseException):
        return Retry(_short(f"connecting: {error.code} {error.message}"))
    if isinstance(error, SMTPTimeoutError):
        return Retry("connecting: no answer")
    return Retry(_short(f"connecting: {error}"))


def is_dead(code: int, status: str, message: str) -> bool:
    """Tell whether a final refusal says that the address itself is none (RFC 3463: 5.1.x but the sender's, 5.2.1)."""
    if status:
        return (status.startswith("5.1.") and status not in ("5.1.0", "5.1.7", "5.1.8")) or status == "5.2.1"
    return code in (550, 551, 553, 554) and _NOBODY.search(message) is not None


def _tls(verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _stuffed(data: bytes) -> bytes:
    """Return a message as DATA takes it: a dot more where a line begins with one."""
    return re.sub(rb"^\.", b"..", data, flags=re.MULTILINE)


def _xtext(text: str) -> str:
    """Encode a parameter (RFC 3461 4)."""
    return "".join(c if "!" <= c <= "~" and c not in "+=" else "".join(f"+{b:02X}" for b in c.encode()) for c in text)


def _short(text: str) -> str:
    return " ".join(text.split())[:_DETAIL_MAX]


def _without_address(result: Result, address: str) -> Result:
    """Return a result whose detail does not repeat the address: it is kept in histories."""
    if address.lower() not in result.detail.lower():
        return result
    detail = re.sub(re.escape(address), "...", result.detail, flags=re.IGNORECASE)
    if isinstance(result, Sent):
        return Sent(result.provider_id, detail)
    if isinstance(result, Retry):
        return Retry(detail, result.is_provider, result.after_s)
    return Rejected(detail, result.is_address_dead) if isinstance(result, Rejected) else Unclear(detail)
