"""Learning what comes in without configuration: how often, and what types its fields have. Never a value.

The first 200 of a name are looked at, then one in 50. Counts go to the store every few seconds, where those of all
gateways add up; a proposal is made of them (``api.schemas``), and nothing is ever applied by itself.
"""

import asyncio
import contextlib
import re
from collections.abc import Collection
from typing import Any

from store.learned import FIELDS_MAX, NAMES_MAX, TRAITS, Count, Learned
from store.ports import Unavailable

FIRST = 200  # of a name, all looked at
THEN_ONE_IN = 50
FLUSH_EVERY_S = 5.0
NAME_MAX = 100  # characters of a name; longer ones are data, not names
_TIMESTAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}.{0,30}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{4}")
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,200}\.[^@\s.]{2,}")
_PHONE = re.compile(r"\+[0-9][0-9 ()-]{6,20}")
_DECIMAL = re.compile(r"[-+]?[0-9]{1,16}(?:\.[0-9]{1,16})?")
_DIGITS = frozenset("0123456789+-")


class _Name:
    __slots__ = ("counts", "seen", "unflushed")

    def __init__(self) -> None:
        self.seen = 0
        self.unflushed = 0
        self.counts = Count()


class Learning:
    """One gateway's part of it. Bounded: 500 names of 100 fields; what comes beyond is not learned."""

    def __init__(self, store: Learned) -> None:
        self._store = store
        self._names: dict[str, _Name] = {}
        self._flushing = asyncio.Lock()

    def event(self, name: str, properties: dict[str, Any]) -> None:
        """Note an event without a mask; the hot path is a look-up and two additions."""
        known = self._names.get(name)
        if known is None:
            if len(self._names) >= NAMES_MAX or len(name) > NAME_MAX or name == TRAITS:
                return
            known = self._names[name] = _Name()
        known.seen += 1
        known.unflushed += 1
        if known.seen <= FIRST or known.seen % THEN_ONE_IN == 0:
            _look(known.counts, properties, ())

    def traits(self, traits: dict[str, Any], configured: Collection[str]) -> None:
        """Note the traits of an ``identify`` that have no document."""
        known = self._names.setdefault(TRAITS, _Name())
        known.seen += 1
        known.unflushed += 1
        if known.seen <= FIRST or known.seen % THEN_ONE_IN == 0:
            _look(known.counts, traits, configured)

    def forget(self, name: str) -> None:
        """Begin to learn a name again, from its first events."""
        self._names.pop(name, None)

    async def flush(self) -> None:
        """Add what was noted to the store.

        Raises:
            Unavailable: the store did not answer. What was not added is kept for the next time.
        """
        async with self._flushing:
            for name, known in list(self._names.items()):
                if not known.unflushed:
                    continue
                counts, seen = known.counts, known.unflushed
                known.counts, known.unflushed = Count(), 0
                try:
                    await self._store.add(name, seen, counts)
                except BaseException:
                    known.counts.merge(counts)
                    known.unflushed += seen
                    raise

    async def run(self) -> None:
        """Flush every few seconds, until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_EVERY_S)
            with contextlib.suppress(Unavailable):  # kept, and added the next time
                await self.flush()


def type_of(value: Any) -> str:
    """Return what a value is, text by what is written in it: the types of masks, and ``decimal`` (a number as text)."""
    if type(value) is not str:
        return _TYPES.get(type(value), "")
    text = value.strip()
    first = text[:1]
    if first in _DIGITS and len(text) <= 60:
        for kind, pattern in (("decimal", _DECIMAL), ("date", _DATE), ("timestamp", _TIMESTAMP), ("phone", _PHONE)):
            if pattern.fullmatch(text):
                return kind
    if "@" in text and len(text) <= 320 and _EMAIL.fullmatch(text):
        return "email"
    return "string"


_TYPES = {bool: "boolean", int: "integer", float: "number", dict: "object", list: "array"}


def _look(counts: Count, fields: dict[str, Any], configured: Collection[str]) -> None:
    counts.sampled += 1
    for name, value in fields.items():
        if len(name) > NAME_MAX or name in configured or not (kind := type_of(value)):
            continue
        types = counts.fields.get(name)
        if types is None:
            if len(counts.fields) >= FIELDS_MAX:
                continue
            types = counts.fields[name] = {}
        types[kind] = types.get(kind, 0) + 1
