"""The way to one SMSC: bound, kept alive, and bound again after it ended."""

import asyncio
import ssl
from contextlib import suppress

from aiosmpplib import BindTransceiver, EnquireLink, SmppCommandStatus, Unbind

from channels.smpp_session import Deliver, Lost, Session
from crm.connectors import SmppConnector

PAUSES_S = (1.0, 2.0, 5.0, 10.0, 30.0)  # between tries to bind


class Down(Exception):
    """There is no bound connection, and why."""


class Link:
    """Holds one session at a time."""

    def __init__(self, connector: SmppConnector, password: str, deliver: Deliver) -> None:
        self._connector, self._password, self._deliver = connector, password, deliver
        self._session: Session | None = None
        self._binding = asyncio.Lock()
        self._keeper: asyncio.Task[None] | None = None
        self._down = ("", 0.0)  # why the last try failed, and until when no other is made (the loop's time)

    def open(self) -> None:
        """Begin to bind, and stay bound."""
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep())

    async def session(self) -> Session:
        """Return a bound session.

        Raises:
            Down: there is none now.
        """
        self.open()
        async with self._binding:
            if self._session is not None and not self._session.ended.is_set():
                return self._session
            why, until = self._down
            if asyncio.get_running_loop().time() < until:
                raise Down(why)
            try:
                async with asyncio.timeout(self._connector.timeout_s):
                    self._session = await self._bind()
            except (OSError, Lost, TimeoutError, Down) as error:
                why = str(error) if isinstance(error, Down) else f"no connection: {type(error).__name__}"
                self._down = (why, asyncio.get_running_loop().time() + PAUSES_S[0])
                raise Down(why) from None
            return self._session

    async def close(self) -> None:
        """Unbind and end."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
            self._keeper = None
        if self._session is not None:
            with suppress(Lost, TimeoutError):
                async with asyncio.timeout(1):
                    await self._session.request(Unbind())
            await self._session.close()

    async def _bind(self) -> Session:
        connector = self._connector
        context = _tls(connector.verify) if connector.tls else None
        reader, writer = await asyncio.open_connection(connector.host, connector.port, ssl=context)
        session = Session(reader, writer, self._deliver)
        message = BindTransceiver(
            system_id=connector.system_id, password=self._password, system_type=connector.system_type
        )
        try:
            reply = await session.request(message)
        except BaseException:
            await session.close()
            raise
        if reply.status:
            await session.close()
            raise Down(f"bind refused: {name_of(reply.status)}")
        return session

    async def _keep(self) -> None:
        tries = 0
        while True:
            try:
                session = await self.session()
            except Down:
                await asyncio.sleep(PAUSES_S[min(tries, len(PAUSES_S) - 1)])
                tries += 1
                continue
            tries = 0
            await self._watch(session)

    async def _watch(self, session: Session) -> None:
        """Ask now and then whether the other side is there, until the session ends."""
        while not session.ended.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._connector.enquire_link_s):
                    await session.ended.wait()
                    return
            try:
                async with asyncio.timeout(self._connector.timeout_s):
                    await session.request(EnquireLink())
            except (TimeoutError, Lost):
                await session.close()


def name_of(status: int) -> str:
    """Return a status by its name in the standard, or its number: providers have their own."""
    try:
        return str(SmppCommandStatus(status).name)
    except ValueError:
        return f"0x{status:08x}"


def _tls(verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
