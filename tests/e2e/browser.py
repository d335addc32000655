"""A browser for tests: Chromium without a window, driven over its own socket (the DevTools protocol).

Only what the tests of pages need: open an address, evaluate, wait for something to be true, take a picture.
"""

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome")
UP_WITHIN_S = 30.0
ANSWER_WITHIN_S = 20.0
FRAME_MAX = 64 * 1024 * 1024  # a picture is one message


def installed() -> str | None:
    """Return the path of a browser, None when there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Page:
    """One tab.

    Attributes:
        problems: Exceptions that nobody caught, and lines of the console that are errors.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._last = 0
        self.problems: list[str] = []
        for domain in ("Page", "Runtime", "Log"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Ask the browser; its answer. Events that come before it are looked at for problems."""
        self._last += 1
        self._socket.send(json.dumps({"id": self._last, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv(timeout=ANSWER_WITHIN_S))
            if message.get("id") == self._last:
                assert "error" not in message, f"{method}: {message['error']}"
                answer: dict[str, Any] = message["result"]
                return answer
            self._note(message)

    def open(self, url: str) -> None:
        """Go to an address; wait until it is loaded."""
        self.ask("Page.navigate", url=url)
        self.until("document.readyState === 'complete'", "the page to load")

    def value(self, expression: str) -> Any:
        """Return what an expression (it may be a promise) is, as JSON."""
        answer = self.ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, f"{expression}: {answer['exceptionDetails']}"
        return answer["result"].get("value")

    def text(self, selector: str) -> str:
        """Return what a person reads there."""
        return str(self.value(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def click(self, selector: str) -> None:
        """Press what the selector finds first."""
        self.value(f"document.querySelector({json.dumps(selector)}).click()")

    def until(self, expression: str, what: str, within_s: float = 20.0) -> Any:
        """Wait until an expression is true; its value."""
        ends = time.monotonic() + within_s
        while not (found := self.value(expression)):
            assert time.monotonic() < ends, f"waited {within_s:.0f} s for {what}; the page says:\n{self.text('body')}"
            time.sleep(0.05)  # a page has no event for what it shows
        return found

    def picture(self, path: Path, width: int = 1280, height: int = 0) -> None:
        """Take a picture of the whole page, as wide as said."""
        self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height or 900, deviceScaleFactor=1, mobile=False
        )
        taken = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=not height)
        path.write_bytes(base64.b64decode(taken["data"]))

    def _note(self, message: dict[str, Any]) -> None:
        params = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.problems.append(details.get("exception", {}).get("description") or details["text"])
        elif message.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
            entry = params["entry"]
            self.problems.append(f"{entry['text']} {entry.get('url', '')}")


@contextmanager
def browser(folder: Path, *languages: str) -> Iterator[Page]:
    """Give a tab of a fresh browser; it is gone afterwards."""
    program = installed()
    assert program, "there is no browser"
    port_file = folder / "DevToolsActivePort"
    process = subprocess.Popen(
        [
            *(program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
            *("--remote-debugging-port=0", f"--user-data-dir={folder}", "--remote-allow-origins=*"),
            *(f"--accept-lang={','.join(languages or ('en',))}", "about:blank"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        ends = time.monotonic() + UP_WITHIN_S
        while not (port_file.exists() and port_file.read_text().count("\n")):
            assert process.poll() is None, "the browser ended"
            assert time.monotonic() < ends, f"the browser was not up after {UP_WITHIN_S:.0f} s"
            time.sleep(0.05)
        port = int(port_file.read_text().split("\n")[0])
        tabs = httpx.get(f"http://127.0.0.1:{port}/json").json()
        address = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
        with connect(address, max_size=FRAME_MAX) as socket:
            yield Page(socket)
    finally:
        process.terminate()
        process.wait(20)
