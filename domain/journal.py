"""What a player keeps to unwind an event that is rolled back later: two states, and every entry since the older one.

Stored in several fields of the player's hash, so that a turn does not write all of it again: the head with the open
page of entries, sealed pages (written once, in a ring of ``slots``), and the two marks (docs/adr/0013).
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from domain.entries import Entry
from domain.runs import RunRecord

FIELD = "journal"  # of the head; pages and marks are ``journal.<slot>`` and ``journal.m<0 or 1>``
PAGE = 4  # entries of a sealed page; an open one is written with each commit (docs/adr/0013 has the figures)

Page = tuple[bytes, ...]  # encoded ``Taken``


class Correction(Struct, frozen=True, gc=False, array_like=True):
    """What an unwinding changed beside leaving events out."""

    written_off: dict[str, int] = {}  # currency -> how much the balance was raised to zero by
    versions: dict[str, int] = {}  # run -> version of the score last sent to its board
    runs: dict[str, RunRecord] = {}  # runs that are kept although the player would not be in them


class Taken(Struct, frozen=True, gc=False, array_like=True):
    """One entry that the game took, or what befell the player's game beside its entries."""

    offset: str
    at: int  # ms
    version: int  # programme it was taken under
    seen: int = 0  # ``Profile.last_seen_at`` when the turn began
    entry: Entry | None = None
    profile: bytes = b""  # as it is from here on; b"": as the entries leave it
    grants: tuple[tuple[Any, ...], ...] = ()  # currency, amount, rule, budget, key: what the CRM gave
    cause: str = ""  # of the grants
    levels: tuple[tuple[str, str], ...] = ()  # system, level: those that were entered
    debits: tuple[tuple[str, str], ...] = ()  # currency, rule: those that went through
    scores: dict[str, float] | None = None  # of the models, where they had changed
    tone: dict[str, Any] | None = None
    correction: Correction | None = None


class Mark(Struct, frozen=True, gc=False, array_like=True):
    """The game's parts of the player when entry ``number`` was still to come."""

    sequence: int  # of the marks, rising
    number: int
    at: int  # ms
    parts: dict[str, bytes] = {}  # stored form; what is empty is left out
    scores: dict[str, float] = {}
    tone: dict[str, Any] = {}


class Void(Struct, frozen=True, gc=False, array_like=True):
    """A round (or transaction) that was rolled back: its events have no effect, whenever they come."""

    at: int  # ms, when it was rolled back
    by: str  # id of the event that said so
    found: int = 0  # events of it that came; 0: none yet
    case: str = ""  # opened for it because none came


class Journal(Struct, frozen=True, gc=False):
    """What is needed to unwind; empty unless the programme has ``rollback``."""

    next: int = 0  # number of the next entry; sealed pages begin at multiples of ``PAGE``
    slots: int = 0  # of the ring of sealed pages; 0: nothing was ever kept
    marks: tuple[Mark, ...] = ()  # the older first; what came before it cannot be unwound
    sealed: tuple[Page, ...] = ()
    open: Page = ()
    void: tuple[int, ...] = ()  # numbers of entries that were unwound
    voids: dict[str, Void] = {}  # by key, the oldest first
    generation: int = 0  # how often something was unwound
    scores: dict[str, float] = {}  # as last kept
    tone: dict[str, Any] = {}
    sequence: int = 0  # of the newest mark ever set

    @property
    def first(self) -> int:
        """Return the number of the first entry kept."""
        return self.next - len(self.open) - PAGE * len(self.sealed)

    def entries(self, start: int) -> Iterator[tuple[int, Taken]]:
        """Yield the entries from a number on."""
        number = self.first
        for page in (*self.sealed, self.open):
            for data in page:
                if number >= start:
                    yield number, _taken.decode(data)
                number += 1


class _Head(Struct, frozen=True, gc=False, array_like=True):
    next: int = 0
    slots: int = 0
    marks: tuple[int, ...] = ()  # their sequences
    sealed: int = 0  # pages
    open: Page = ()
    void: tuple[int, ...] = ()
    voids: dict[str, Void] = {}
    generation: int = 0
    scores: dict[str, float] = {}
    tone: dict[str, Any] = {}
    sequence: int = 0


_encoder = msgspec.msgpack.Encoder()
_taken = msgspec.msgpack.Decoder(Taken)
_head = msgspec.msgpack.Decoder(_Head)
_mark = msgspec.msgpack.Decoder(Mark)
_page = msgspec.msgpack.Decoder(tuple[int, Page])  # number of the page, entries


def encode_taken(taken: Taken) -> bytes:
    """Return the stored form of an entry."""
    return _encoder.encode(taken)


def written(before: Journal, after: Journal) -> dict[str, bytes]:
    """Return the stored fields that differ: the head, and what was sealed or marked since."""
    head = (  # a ``_Head``, which is stored as its fields: none is made for every commit
        after.next,
        after.slots,
        tuple([mark.sequence for mark in after.marks]),
        len(after.sealed),
        after.open,
        after.void,
        after.voids,
        after.generation,
        after.scores,
        after.tone,
        after.sequence,
    )
    fields = {FIELD: _encoder.encode(head)}
    if after.marks is not before.marks:
        for mark in after.marks:
            if not any(mark is other for other in before.marks):
                fields[f"{FIELD}.m{mark.sequence % 2}"] = _encoder.encode(mark)
    if after.sealed and after.sealed is not before.sealed:
        last = (after.next - len(after.open)) // PAGE
        fresh = max(last - len(after.sealed), (before.next - len(before.open)) // PAGE)  # numbers only rise
        for number in range(fresh, last):
            page = after.sealed[number - last]
            fields[f"{FIELD}.{number % after.slots}"] = _encoder.encode((number, page))
    return fields


def read(fields: Mapping[str, bytes], base: Journal) -> Journal:
    """Read a journal from its stored fields; of those that are missing, ``base`` has the content.

    Raises:
        KeyError: neither has it.
    """
    head = _head.decode(fields[FIELD])
    marks = {mark.sequence: mark for mark in base.marks}
    for name in (f"{FIELD}.m0", f"{FIELD}.m1"):
        if name in fields:
            mark = _mark.decode(fields[name])
            marks[mark.sequence] = mark
    pages = _pages(base)
    last = (head.next - len(head.open)) // PAGE
    for number in range(last - head.sealed, last):
        if data := fields.get(f"{FIELD}.{number % head.slots}"):
            stored, page = _page.decode(data)
            pages[stored] = page
    return Journal(
        head.next,
        head.slots,
        tuple(marks[sequence] for sequence in head.marks),
        tuple(pages[number] for number in range(last - head.sealed, last)),
        head.open,
        head.void,
        head.voids,
        head.generation,
        head.scores,
        head.tone,
        head.sequence,
    )


def _pages(journal: Journal) -> dict[int, Page]:
    first = journal.first // PAGE
    return {first + i: page for i, page in enumerate(journal.sealed)}
