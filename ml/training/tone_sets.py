"""The labelled texts of which tone is learnt and on which it is judged, each with its source and terms.

None of the public sets ships with the package; ``read_sets`` takes a folder that holds them. A quarter of each is held
out by a hash of the text, so the same text is never on both sides. Sets marked external are never trained on.
"""

import csv
import gzip
import hashlib
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from zlib import crc32

from msgspec import Struct

HERE = Path(__file__).parent
OWN_TRAINING = HERE / "tone_lines.tsv"
OWN_TEST = HERE.parent / "evaluation" / "tone_lines.tsv"
_MOODS = {"negative": -1, "positive": 1, "neutral": 0, "mixed": 0}


class Line(Struct, frozen=True):
    """One labelled text."""

    text: str
    mood: int  # -1 angry, sad or disappointed; 0 neither, or both; 1 pleased
    language: str  # en, uk, ru; "uk+ru": both in one text
    source: str
    held_out: bool


class Source(Struct, frozen=True):
    """Where a set is from, and under which terms it may be used."""

    name: str
    file: str  # below the folder of data, or of the package
    about: str
    terms: str
    external: bool = False  # never trained on


SOURCES = (
    Source(
        "en reviews",
        "sentiment_en_uci/sentences.csv.gz",
        "Sentiment Labelled Sentences (Kotzias et al. 2015): Amazon, IMDb, Yelp; labelled by people",
        "CC BY 4.0",
    ),
    Source(
        "ru press",
        "sentiment_ru_opencorpora/opensentimentcorpus-final-by-total-agreement-with-expert-validation.csv.gz",
        "OpenSentimentCorpus (Poletaev, Paramonov, Boychuk 2023): sentences of the press; labelled by people",
        "CC BY-SA 3.0",
        external=True,  # share-alike; and trained on it, fewer angry messages to support were found
    ),
    Source(
        "rewritten",
        "sentiment_uk_ru_aug/cosmus_aug.csv.gz",
        "COSMUS augmentation: Ukrainian, Russian and mixed comments written anew by GPT-3.5; the label is the prompt",
        "CC0 1.0",
    ),
    Source(
        "own lines",
        "tone_lines.tsv",
        "messages to support written for this project by its authors",
        "Apache-2.0, part of this package",
    ),
    Source(
        "uk by hand",
        "sentiment_uk_gurbich/manual.csv",
        "201 Ukrainian sentences written by hand (S. Gurbich)",
        "Apache-2.0",
        external=True,
    ),
    Source(
        "support lines",
        "tone_lines.tsv",
        "other messages to support written for this project by its authors, after those it is trained on",
        "Apache-2.0, part of this package",
        external=True,
    ),
)


def read_sets(data: Path) -> list[Line]:
    """Return all texts that are there, each once; of a set that is missing none.

    Args:
        data: The folder that has the public sets, each in a folder of its own (``SOURCES``).
    """
    seen: set[str] = set()
    lines = []
    for source in sorted(SOURCES, key=lambda one: not one.external):  # what is judged on is never trained on
        if not (path := path_of(source, data)).exists():
            continue
        for text, mood, language in _rows(path):
            known = " ".join(text.casefold().split())
            if known and known not in seen:
                seen.add(known)
                held_out = source.external or (source.name != "own lines" and crc32(known.encode()) % 4 == 0)
                lines.append(Line(text, mood, language, source.name, held_out))
    return lines


def path_of(source: Source, data: Path) -> Path:
    """Return where a set is."""
    if source.name == "own lines":
        return OWN_TRAINING
    return OWN_TEST if source.name == "support lines" else data / source.file


def fingerprint(path: Path) -> str:
    """Return the SHA-256 of a file, 16 hex digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _rows(path: Path) -> Iterator[tuple[str, int, str]]:
    """Yield text, mood and language of a file; its columns tell which set it is."""
    if path.suffix == ".tsv":
        for line in path.read_text(encoding="utf-8").splitlines():
            language, mood, text = line.split("\t")
            yield text, _MOODS[mood], language
        return
    raw = path.read_bytes()
    table = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8")
    for row in csv.DictReader(StringIO(table, newline="")):
        if "Sentence" in row:
            yield row["Sentence"], _MOODS[row["Sentiment"]], "ru"
        elif "lang" in row:
            yield row["text"], _MOODS[row["label"]], row["lang"]
        elif "labels" in row:
            yield row["text"], 1 if row["labels"] == "1" else -1, "uk"
        else:
            yield row["text"], 1 if row["label"] == "1" else -1, "en"
