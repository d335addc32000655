"""A partition's own state, committed with every batch that changes it (docs/adr/0002)."""

import msgspec
from msgspec import Struct, structs

from domain.entries import BeliefsPublished, ChannelChanged, ModelPublished

RULES_VERSION = 1  # of the engine's own rules; an upgrade is a log entry, and a refold stays inside one version


class PartState(Struct, frozen=True, array_like=True):
    """What a fold needs beside the players' snapshots."""

    programme: int = 0  # version in force
    model: int = 0  # version in force; 0: the one that ships with the package
    rules: int = RULES_VERSION
    accounts: dict[str, int] = {}  # "issued:points" -> sum; with the players' balances it adds up to zero
    set_aside: int = 0  # entries in the dead letters
    entered: dict[str, int] = {}  # walk -> players whom its visits brought into a journey, of the last walks
    channels: dict[str, ChannelChanged] = {}  # (tower) the last that was heard of each channel
    publication: int = 0  # number of the model's publication (``store.models`` reads it in this place)
    beliefs: int = 0  # number of what is known of choices (``store.beliefs`` reads it in this place); 0: nothing yet


ENTERED_MAX = 10  # walks counted; the state is written with nearly every commit, so it stays small


def count_entered(part: PartState, walks: list[str]) -> PartState:
    """Count players whom visits brought into a journey, by walk; the walk that was begun first is forgotten first."""
    entered = dict(part.entered)
    for walk in walks:
        entered[walk] = entered.get(walk, 0) + 1
    for walk in list(entered)[: max(0, len(entered) - ENTERED_MAX)]:
        del entered[walk]
    return structs.replace(part, entered=entered)


def with_model(part: PartState, published: ModelPublished) -> PartState:
    """Move to another model; a publication that came before the one in force is ignored."""
    if published.number <= part.publication:
        return part
    return structs.replace(part, model=published.version, publication=published.number)


def with_beliefs(part: PartState, published: BeliefsPublished) -> PartState:
    """Draw with other beliefs; those that came before the ones in force are ignored."""
    return part if published.number <= part.beliefs else structs.replace(part, beliefs=published.number)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(PartState)


def encode_part(part: PartState) -> bytes:
    """Return the stored form."""
    return _encoder.encode(part)


def decode_part(data: bytes) -> PartState:
    """Read a stored partition state; b"" is a partition never committed."""
    return _decoder.decode(data) if data else PartState()
