"""The one place that reads clocks and makes random ids; everything else is handed them."""

import secrets
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Wall time, for the rim only: turns take theirs from the log."""

    def now_ms(self) -> int:
        """Return milliseconds since the epoch, UTC."""


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def now(self) -> datetime:
        return datetime.now(UTC)


def new_id(prefix: str = "") -> str:
    """Return an id that nobody guesses and nobody else makes (128 bits, base64url)."""
    return prefix + secrets.token_urlsafe(16)
