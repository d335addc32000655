"""A provider of SMS that keeps book: Twilio-style posts on a free port, each with the moment it began to arrive."""

import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

ACCOUNT = "AC" + "0" * 32


@dataclass
class Post:
    """One message that came."""

    began: float  # monotonic seconds, when its first byte was there
    to: str
    text: str
    callback: str


@dataclass
class Provider:
    """Listens until ``stop``. ``answer_after_s`` keeps each answer back; ``status`` is what it answers."""

    answer_after_s: float = 0.0
    status: int = 201
    posts: list[Post] = field(default_factory=list)

    def __post_init__(self) -> None:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                began = time.monotonic()
                size = int(self.headers["Content-Length"])
                body = self.rfile.read(size)
                if len(body) < size:  # its sender was killed in the middle: no provider sends half a message
                    self.close_connection = True
                    return
                form = parse_qs(body.decode())
                callback = form.get("StatusCallback", [""])[0]
                provider.posts.append(Post(began, form["To"][0], form["Body"][0], callback))
                if provider.answer_after_s:
                    threading.Event().wait(provider.answer_after_s)
                content = b'{"sid": "SM%032d", "status": "queued"}' % len(provider.posts)
                self.send_response(provider.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: Any) -> None:
                """Let connections of killed senders go without a word."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def to(self, number: str) -> list[Post]:
        """Return what came for a number, in order."""
        return [post for post in self.posts if post.to == number]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def connector(provider: Provider, **changes: Any) -> dict[str, Any]:
    """Return the document that connects the engine to it; its token is in the variable ``SMS_TOKEN``."""
    return {
        "kind": "twilio",
        "base_url": provider.url,
        "account_sid": ACCOUNT,
        "auth_token": {"env": "SMS_TOKEN"},
        "from": "+15005550006",
        **changes,
    }
