"""A partition's own state, committed with every batch that changes it (DESIGN 2.1, rule 3)."""

import msgspec
from msgspec import Struct

RULES_VERSION = 1  # of the engine's own rules; an upgrade is a log entry, and a refold stays inside one version


class PartState(Struct, frozen=True, array_like=True):
    """What a fold needs beside the players' snapshots."""

    programme: int = 0  # version in force
    model: int = 0
    rules: int = RULES_VERSION
    accounts: dict[str, int] = {}  # "issued:points" -> sum; with the players' balances it adds up to zero
    set_aside: int = 0  # entries in the dead letters


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(PartState)


def encode_part(part: PartState) -> bytes:
    """Return the stored form."""
    return _encoder.encode(part)


def decode_part(data: bytes) -> PartState:
    """Read a stored partition state; b"" is a partition never committed."""
    return _decoder.decode(data) if data else PartState()
