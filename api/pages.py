"""Lists by cursor, times as text, and the answers that many endpoints document alike."""

import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Query
from redis.asyncio import Redis

from domain.calendar import LATEST_MS, as_datetime
from domain.errors import BadRequest

T = TypeVar("T")

LIMIT_MAX = 200
CHUNK = 200  # stream entries read at once
CHUNKS_MAX = 10  # of one page; a page of a long history may be short and still have a next one
Entries = list[tuple[bytes, dict[bytes, bytes]]]
Older = Callable[[str, int], Awaitable[Entries]]
LAST = "99999999999999-0"  # after every offset
_OFFSET = re.compile(r"([0-9]{1,19}-[0-9]{1,19})\.([0-9]{1,9})")  # below 2^64, as stream ids are

Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="Most items of a page.")]
Cursor = Annotated[str | None, Query(max_length=400, description="`next` of the page before.")]


def instant(at: int) -> str | None:
    """Return a time as RFC 3339 in UTC; None for 0, which means never. One past year 9999 is shown as its last day."""
    return as_datetime(min(at, LATEST_MS)).isoformat(timespec="milliseconds").replace("+00:00", "Z") if at else None


def page(items: list[Any], following: str | None = None) -> dict[str, Any]:
    """Return the answer of every list."""
    return {"items": items, "next": following}


def page_by_name(
    items: Iterable[T], name: Callable[[T], str], limit: int, cursor: str | None
) -> tuple[list[T], str | None]:
    """Return one page of items sorted by name; the cursor is the last name of the page before."""
    rest = [item for item in items if cursor is None or name(item) > cursor]
    return rest[:limit], name(rest[limit - 1]) if len(rest) > limit else None


async def page_of_hashes(
    redis: Redis,
    keys: Sequence[str],
    limit: int,
    cursor: str | None,
    shown: Callable[[str, bytes], Any],
) -> dict[str, Any]:
    """Return one page of what one hash of each partition holds, in the order of partitions and names.

    What is taken out between two pages makes none skip another.

    Raises:
        BadRequest: the cursor is not one of ours.
    """
    partition, after = _place(cursor, len(keys))
    items: list[Any] = []
    while partition < len(keys):
        names = sorted(name for name in await redis.hkeys(keys[partition]) if name > after)
        wanted = names[: limit - len(items)]
        records = await redis.hmget(keys[partition], wanted) if wanted else []
        for name, record in zip(wanted, records, strict=True):
            if record is not None:  # taken out a moment ago
                items.append(shown(name.decode(), record))
        if len(names) > len(wanted):
            return page(items, f"{partition}.{wanted[-1].decode()}")
        partition, after = partition + 1, b""
        if len(items) == limit:
            return page(items, f"{partition}." if partition < len(keys) else None)
    return page(items)


def _place(cursor: str | None, partitions: int) -> tuple[int, bytes]:
    if cursor is None:
        return 0, b""
    partition, dot, after = cursor.partition(".")
    if not dot or not (partition.isascii() and partition.isdigit()) or int(partition) >= partitions:
        raise bad_cursor(cursor)
    return int(partition), after.encode()


def bad_cursor(cursor: str) -> BadRequest:
    return BadRequest(f"expected a cursor that an earlier page gave as `next`, got {cursor[:60]!r}", code="bad_cursor")


async def page_of_stream(
    redis: Redis,
    key: str,
    limit: int,
    cursor: str | None,
    expand: Callable[[str, dict[bytes, bytes]], list[Any]],
    older: "Older | None" = None,
) -> dict[str, Any]:
    """Return one page of a stream, newest first.

    Args:
        expand: Makes the items of one entry, newest first; an entry may have none, or several.
        older: Reads on where the stream ends: the entries before an id, newest first. Their items say ``archived``.

    Raises:
        BadRequest: the cursor is not one of ours.
    """
    newest, taken = _position(cursor)
    items: list[Any] = []
    for _ in range(CHUNKS_MAX):
        entries = await redis.xrevrange(key, max=newest, count=CHUNK)
        if older is not None and len(entries) < CHUNK:
            entries += await older(entries[-1][0].decode() if entries else _after(newest), CHUNK - len(entries))
        for offset, fields in entries:
            for n, item in enumerate(expand(offset.decode(), fields)[taken:], taken):
                if len(items) == limit:
                    return page(items, f"{offset.decode()}.{n}")
                items.append(item | {"archived": True} if b"archived" in fields else item)
            taken = 0
        if len(entries) < CHUNK:
            return page(items)
        newest = "(" + entries[-1][0].decode()
    return page(items, f"{_before(newest[1:])}.0")


def _position(cursor: str | None) -> tuple[str, int]:
    if cursor is None:
        return "+", 0
    found = _OFFSET.fullmatch(cursor)
    if found is None:
        raise bad_cursor(cursor)
    return found[1], int(found[2])


def _after(bound: str) -> str:
    """Return the first id that an upper bound leaves out."""
    if bound == "+":
        return LAST
    if bound.startswith("("):
        return bound[1:]
    ms, _, n = bound.partition("-")
    return f"{ms}-{int(n) + 1}"


def _before(offset: str) -> str:
    """Return the greatest stream id below one."""
    ms, _, n = offset.partition("-")
    return f"{ms}-{int(n) - 1}" if int(n) else f"{int(ms) - 1}-{2**64 - 1}"


def answers(
    example: Any, *statuses: int, ok: int = 200, also: dict[int, Any] | None = None
) -> dict[int | str, dict[str, Any]]:
    """Return the documented answers of an endpoint: an example of the good one, and which problems there are.

    Args:
        also: Examples of further good answers, by status.
    """
    documented: dict[int | str, dict[str, Any]] = {
        status: {"description": _MEANINGS.get(status, "Good"), "content": {"application/json": {"example": shown}}}
        for status, shown in {ok: example, **(also or {})}.items()
    }
    for status in statuses:
        documented[status] = {
            "description": _MEANINGS[status],
            "content": {"application/problem+json": {"example": _problem(status)}},
        }
    return documented


def _problem(status: int) -> dict[str, Any]:
    return {
        "type": "about:blank",
        "title": _MEANINGS[status],
        "status": status,
        "code": _CODES[status],
        "detail": "...",
    }


_MEANINGS = {
    200: "Done",
    201: "Made",
    202: "Accepted: in the log, not done yet",
    204: "Done, nothing to show",
    304: "Not modified",
    400: "What came is not what the endpoint takes",
    401: "No key, or one that is not known",
    403: "The key may not do this",
    404: "There is no such thing",
    409: "It contradicts what is there",
    412: "If-Match names another version",
    413: "Too large",
    422: "Well-formed, but not valid",
    429: "Too much at once; try again",
    503: "The store does not answer; try again",
}
_CODES = {
    400: "bad_request",
    401: "unauthorised",
    403: "forbidden",
    404: "not_found",
    409: "conflict",
    412: "etag_mismatch",
    413: "too_large",
    422: "invalid",
    429: "backlog_full",
    503: "store_unavailable",
}


def wait_of(prefer: str | None, default: float, most: float = 30.0) -> float:
    """Return the seconds of ``Prefer: wait=<seconds>`` (RFC 7240; decimals are our extension)."""
    found = re.search(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,6}(?:\.\d{1,6})?)", prefer or "", re.IGNORECASE)
    return min(float(found[1]), most) if found else default
