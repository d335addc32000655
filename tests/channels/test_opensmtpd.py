"""A real mail server between us and the mailboxes: OpenSMTPD takes our mail, is refused, and writes the bounce.

It needs the ``opensmtpd`` package, root, and no other mail server on the machine: its queue and its control socket are
the machine's.
"""

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes
from pathlib import Path

import pytest

from channels.bounces import read_mail
from channels.ports import Rejected, Sent
from tests.channels.mail_server import LOCALHOST, Sink, mail_server
from tests.channels.test_smtp import REQUEST, TOKEN, TOKEN_SECRET, adapter, parcel

CONTROL = Path("/var/run/smtpd.sock")
SMTPD = shutil.which("smtpd", path=os.environ.get("PATH", "") + ":/usr/sbin")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(SMTPD is None, reason="no OpenSMTPD here: apt-get install opensmtpd"),
    pytest.mark.skipif(os.geteuid() != 0, reason="OpenSMTPD needs root"),
    pytest.mark.skipif(CONTROL.exists(), reason="an OpenSMTPD runs on this machine already"),
]


def free_port() -> int:
    with socket.socket() as held:
        held.bind((LOCALHOST, 0))
        port: int = held.getsockname()[1]
        return port


@asynccontextmanager
async def opensmtpd(folder: Path, relay_to: int) -> AsyncIterator[int]:
    """Run OpenSMTPD: what it takes goes on to a port, and so do its bounces."""
    port, conf = free_port(), folder / "smtpd.conf"
    conf.write_text(
        f"listen on {LOCALHOST} port {port} hostname mail.test\n"
        f'action "on" relay host smtp://{LOCALHOST}:{relay_to}\n'
        'match from any for domain "refused.example" reject\n'
        'match from any for any action "on"\n'
    )
    assert SMTPD is not None
    with (folder / "smtpd.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(SMTPD, "-d", "-v", "-f", str(conf), stdout=log, stderr=log)
    try:
        async with asyncio.timeout(20):
            while not await _listens(port):  # it has no way to say that it is ready
                assert process.returncode is None, (folder / "smtpd.log").read_text()
                await asyncio.sleep(0.02)
        yield port
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(LOCALHOST, port)
    except OSError:
        return False
    writer.close()
    return True


async def test_a_bounce_of_a_real_server_is_understood(tmp_path: Path) -> None:
    sink = Sink(answers={"dead@player.example": "550 5.1.1 <dead@player.example>: no such mailbox"})
    async with mail_server(sink), opensmtpd(tmp_path, sink.port) as port, adapter(port) as smtp:
        taken = await smtp.send(parcel("dead@player.example"))
        assert isinstance(taken, Sent), taken
        async with asyncio.timeout(60):
            await sink.arrived.wait()
        refused = await smtp.send(parcel("ada@refused.example"))
        sink.arrived.clear()
        assert isinstance(await smtp.send(parcel("ada@player.example")), Sent)
        async with asyncio.timeout(60):
            await sink.arrived.wait()
    bounce, mail = sink.mails
    assert (bounce.sender, bounce.recipients) == ("<>", [f"bounce+{TOKEN}@bounces.casino.example"])
    (told,) = read_mail(bounce.data, TOKEN_SECRET)
    assert (told.outcome, told.request, told.address) == ("bounced", REQUEST, "dead@player.example")
    assert told.is_address_dead
    assert isinstance(refused, Rejected)
    assert mail.recipients == ["ada@player.example"]
    assert message_from_bytes(mail.data)["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
