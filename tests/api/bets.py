"""Events as a platform sends them, and as they stand in the log."""

from datetime import UTC, datetime
from typing import Any

from domain.entries import Event
from tests.api.conftest import Host

NOW = datetime.now(UTC)


def bet(n: int = 1, **changes: Any) -> dict[str, Any]:
    event = {"type": "track", "event": "Bet Placed", "userId": "amelia", "messageId": f"m-{n}"}
    return {**event, "properties": {"amount": 1250, "currency": "EUR"}, **changes}


async def events(host: Host) -> list[Event]:
    return [entry.entry for entry in await host.logged() if isinstance(entry.entry, Event)]
