"""One gateway process: ``python -m api.gateway``, settings as JSON in ``PLAYTOWER_GATEWAY``.

Several share a port (SO_REUSEPORT): the kernel spreads connections over them. SIGTERM ends it in order: no new
connections, requests in flight are answered, sockets are told 1012.
"""

import logging
import socket
from typing import Any

import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from api.app import create_app
from api.intake import FastIntake
from api.settings import Settings, from_environment
from api.socket import CUT

FRAME_MAX = 64 * 1024
PING_S = 15.0
GRACE_S = 5
ABORT_AFTER_S = 5.0  # a cut connection whose peer takes not even the close frame


class CuttableSocket(WebSocketsSansIOProtocol):
    """uvicorn's websocket protocol, with a way to end a connection whose peer does not read.

    ``websocket.close`` waits until there is room for its frame, which is never.
    """

    def handle_connect(self, event: Any) -> None:
        super().handle_connect(event)
        if hasattr(self, "scope"):
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions[CUT] = self.cut

    def cut(self, code: int, reason: str) -> None:
        """Queue a close frame, stop reading and writing, and drop the connection if that does not end it."""
        self.stop_keepalive()
        if not self.close_sent and not self.transport.is_closing():
            self.conn.send_close(code, reason)
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = True
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.transport.close()
        self.loop.call_later(ABORT_AFTER_S, self.transport.abort)


def server(settings: Settings) -> uvicorn.Server:
    """Return a server that is not started."""
    app = create_app(settings)
    config = uvicorn.Config(
        FastIntake(app, outermost=app),
        loop="uvloop",
        http="httptools",
        ws=CuttableSocket,
        ws_max_size=FRAME_MAX,
        ws_ping_interval=PING_S,
        ws_ping_timeout=PING_S,
        ws_per_message_deflate=False,
        access_log=False,
        log_level=logging.WARNING,
        server_header=False,
        proxy_headers=False,  # nothing here reads the caller's address
        timeout_graceful_shutdown=GRACE_S,
        lifespan="on",
    )
    return uvicorn.Server(config)


def bound(settings: Settings) -> socket.socket:
    """Return a listening address that other gateways may share."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((settings.host, settings.port))
    listener.set_inheritable(False)
    return listener


def main() -> None:
    """Serve until SIGTERM."""
    settings = from_environment()
    server(settings).run(sockets=[bound(settings)])


if __name__ == "__main__":
    main()
