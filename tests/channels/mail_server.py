"""Real mail servers on port 0: aiosmtpd with TLS and login, and one that cuts the line where it is told to."""

# ruff: noqa: ARG001, ARG002, N802 (aiosmtpd's names)
import asyncio
import datetime
import ipaddress
import ssl
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LOCALHOST = "127.0.0.1"


@dataclass
class Mail:
    """One message as the server took it."""

    sender: str
    recipients: list[str]
    data: bytes
    mail_options: list[str]
    rcpt_options: list[str]
    is_secure: bool
    is_known: bool  # it logged in


@dataclass
class Sink:
    """Takes mails; refuses what ``answers`` says, by recipient, or by step: MAIL, DATA."""

    port: int = 0
    answers: dict[str, str] = field(default_factory=dict)
    mails: list[Mail] = field(default_factory=list)
    connections: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    at_data: Callable[[], Any] | None = None

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if answer := self.answers.get("MAIL"):
            return answer
        envelope.mail_from, envelope.mail_options = address, options
        return "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if answer := self.answers.get(address):
            return answer
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options += options
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.at_data is not None:
            await self.at_data()
        if answer := self.answers.get("DATA"):
            return answer
        self.mails.append(
            Mail(
                sender=str(envelope.mail_from),
                recipients=list(envelope.rcpt_tos),
                data=bytes(envelope.original_content or b""),
                mail_options=list(envelope.mail_options),
                rcpt_options=list(envelope.rcpt_options),
                is_secure=session.ssl is not None,
                is_known=bool(session.authenticated),
            )
        )
        self.arrived.set()
        return f"250 2.0.0 Ok: queued as {len(self.mails)}"

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.connections += 1
        return responses


@asynccontextmanager
async def mail_server(
    sink: Sink | None = None, *, tls: ssl.SSLContext | None = None, is_tls_from_start: bool = False, **options: Any
) -> AsyncIterator[Sink]:
    """Run a server until the block ends."""
    sink = sink or Sink()
    if tls is not None and not is_tls_from_start:
        options["tls_context"] = tls
    loop = asyncio.get_running_loop()
    protocols: list[SMTP] = []

    utf8 = options.pop("enable_SMTPUTF8", True)

    def protocol() -> SMTP:
        with warnings.catch_warnings(action="ignore"):  # aiosmtpd does not know that TLS came before it
            protocols.append(SMTP(sink, enable_SMTPUTF8=utf8, hostname="mail.test", loop=loop, **options))
        return protocols[-1]

    server = await loop.create_server(protocol, LOCALHOST, 0, ssl=tls if is_tls_from_start else None)
    sink.port = server.sockets[0].getsockname()[1]
    try:
        yield sink
    finally:
        server.close()
        for one in protocols:
            if one.transport is not None:
                one.transport.close()
        await server.wait_closed()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*(t for one in protocols if (t := one._handler_coroutine)), return_exceptions=True)


@dataclass
class Rude:
    """A server written by hand: it says its lines, one for each line or message that comes, and cuts at ``CUT``."""

    script: dict[str, str]  # verb (EHLO, MAIL, RCPT, DATA, "." the final dot) -> answer, or CUT
    port: int = 0
    heard: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)


CUT = "CUT"
HUSH = "HUSH"
_POLITE = {
    "EHLO": "250-rude\r\n250-DSN\r\n250-SIZE 1000000\r\n250 8BITMIME",
    "MAIL": "250 ok",
    "RCPT": "250 ok",
    "DATA": "354 go on",
    ".": "250 2.0.0 queued",
    "RSET": "250 ok",
    "QUIT": "221 bye",
}


@asynccontextmanager
async def rude_server(script: dict[str, str]) -> AsyncIterator[Rude]:
    """Run a server that answers as ``script`` says; after a cut connection the next one is polite."""
    rude = Rude(dict(script))
    writers: list[asyncio.StreamWriter] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        writer.write(b"220 rude ESMTP\r\n")
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while line := await reader.readline():
                verb = line.split(b" ")[0].strip().upper().decode()
                rude.heard.append(line.decode().strip())
                if not await answer(writer, verb):
                    return
                if verb == "DATA":
                    rude.bodies.append(await reader.readuntil(b"\r\n.\r\n"))
                    if not await answer(writer, "."):
                        return
        writer.close()

    async def answer(writer: asyncio.StreamWriter, verb: str) -> bool:
        said = rude.script.get(verb, _POLITE.get(verb, "500 what?"))
        if said == CUT:
            rude.script.pop(verb)
            writer.close()
            return False
        if said != HUSH:
            writer.write(said.encode() + b"\r\n")
        return True

    server = await asyncio.start_server(talk, LOCALHOST, 0)
    rude.port = server.sockets[0].getsockname()[1]
    try:
        yield rude
    finally:
        server.close()
        for writer in writers:
            writer.close()
        await server.wait_closed()


def checked(login: str, password: str) -> Callable[..., AuthResult]:
    """Return what lets one login pass."""

    def check(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (login.encode(), password.encode()), handled=False)

    return check


def certificate(folder: Path, name: str = "localhost") -> tuple[ssl.SSLContext, Path]:
    """Make a certificate that signs itself; its server side, and its file for those who shall trust it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=36_500))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ipaddress.ip_address(LOCALHOST))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    chain, secret = folder / "cert.pem", folder / "key.pem"
    chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, secret)
    return context, chain
