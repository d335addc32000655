"""The weights that ship with the package: one byte a bucket, and what is needed to read them.

Sums of bytes are whole numbers, so a score is the same on every machine. The file is a line of JSON, then the bytes
deflated; a checksum stands for both.
"""

import hashlib
import zlib
from functools import cache
from math import exp, sqrt
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from ml.tone.reading import BITS, FORMAT, LETTER_BITS, Buckets

SHIPPED = Path(__file__).parent / "shipped"
_MAGIC = b"playtower-tone\n"
_BYTES_MAX = 1 << 22


class DamagedWeights(Exception):
    """The file is no weights, or not those that were written."""


class Table(Struct, frozen=True):
    """What reads one table of bytes: a logit is ``scale * sum / sqrt(n) + bias`` over the n buckets of a text."""

    scale: float
    bias: float


class Head(Struct, frozen=True):
    """What stands before the bytes of a file of weights."""

    version: int
    format: int  # of ``reading``
    negative: Table
    positive: Table
    ukrainian: Table
    negative_min: float  # least probability at which a text is said to be angry
    positive_min: float
    trained_on: dict[str, Any]  # source -> texts, terms, fingerprint
    checksum: str = ""  # SHA-256 of the inflated bytes, hex


class Weights:
    """Immutable; shared by all turns of a process.

    Args:
        tables: (2 * 2 ** BITS + 2 ** LETTER_BITS,) int8, negative, positive, Ukrainian.
    """

    __slots__ = ("_negative", "_positive", "_ukrainian", "head", "tables")

    def __init__(self, head: Head, tables: NDArray[np.int8]) -> None:
        ends = np.cumsum([1 << BITS, 1 << BITS, 1 << LETTER_BITS])
        if head.format != FORMAT:
            raise DamagedWeights(f"expected weights for texts read in format {FORMAT}, got {head.format}")
        if tables.shape != (ends[-1],):
            raise DamagedWeights(f"expected {ends[-1]} weights, got {tables.shape}")
        self.head = head
        self.tables = tables
        self._negative, self._positive, self._ukrainian, _ = np.split(tables, ends)

    def angry(self, found: Buckets) -> float:
        """Return the probability that a text of these buckets is angry, sad or disappointed."""
        return _chance(_logit(self.head.negative, self._negative, found))

    def pleased(self, found: Buckets) -> float:
        """Return the probability that a text of these buckets is pleased."""
        return _chance(_logit(self.head.positive, self._positive, found))

    def ukrainian(self, found: Buckets) -> float:
        """Return the logit of Ukrainian against Russian."""
        return _logit(self.head.ukrainian, self._ukrainian, found)


def _logit(table: Table, weights: NDArray[np.int8], found: Buckets) -> float:
    if not len(found):
        return table.bias
    return table.scale * int(weights[found].sum(dtype=np.int64)) / sqrt(len(found)) + table.bias


def _chance(logit: float) -> float:
    """Return the logistic, to four places: an exponential's last digit is the machine's own."""
    return round(1.0 / (1.0 + exp(-max(-30.0, min(30.0, logit)))), 4)


def dump(weights: Weights) -> bytes:
    """Return the bytes of a file; the same weights make the same bytes."""
    raw = weights.tables.tobytes()
    head = msgspec.structs.replace(weights.head, checksum=hashlib.sha256(raw).hexdigest())
    return _MAGIC + msgspec.json.encode(head, order="sorted") + b"\n" + zlib.compress(raw, 9)


def load(data: bytes) -> Weights:
    """Read a file of weights.

    Raises:
        DamagedWeights: It is none, or was changed.
    """
    if not data.startswith(_MAGIC):
        raise DamagedWeights("expected a file of tone weights")
    line, _, packed = data[len(_MAGIC) :].partition(b"\n")
    try:
        head = msgspec.json.decode(line, type=Head)
        raw = zlib.decompressobj().decompress(packed, _BYTES_MAX)
    except (msgspec.DecodeError, zlib.error) as error:
        raise DamagedWeights(f"expected a file of tone weights: {error}") from None
    if (found := hashlib.sha256(raw).hexdigest()) != head.checksum:
        raise DamagedWeights(f"expected weights with the checksum {head.checksum}, got {found}")
    return Weights(head, np.frombuffer(raw, np.int8))


@cache
def shipped() -> Weights:
    """Return the weights of the package; read once a process."""
    return load((SHIPPED / "tone.weights").read_bytes())
