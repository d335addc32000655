"""The sample programme as the benches run it: with its season, or plain as it was before there were seasons."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.options import PLAIN, SEASON
from gamification.rooms import KINDS
from playtower.programme_files import read_programme, write_programme
from store.documents import Documents

CASINO = Path(__file__).parent.parent / "examples" / "programmes" / "casino" / "programme"
FIELDS: dict[str, frozenset[str]] = {  # of the season, in kinds that were there before it
    "achievements": frozenset(("badge", "icon", "budget")),
    "campaigns": frozenset(("budget",)),
    "currencies": frozenset(("pending", "expires", "max_per_day")),
    "levels": frozenset(("by", "window", "downgrade", "period", "benefits", "budget")),
    "missions": frozenset(("budget",)),
    "settings": frozenset(("rollback",)),
}


def documents_of(programme: str) -> Documents:
    """Return the documents of ``plain`` or ``season``.

    Raises:
        ValueError: there is no such programme.
    """
    if programme not in (PLAIN, SEASON):
        raise ValueError(f"expected the programme {PLAIN} or {SEASON}, got {programme!r}")
    documents = read_programme(CASINO)
    return documents if programme == SEASON else plain(documents)


def plain(documents: Documents) -> Documents:
    """Return the documents without the season: no kind of a room, no levels but ``main``, no reward but currencies."""
    kept = {kind: dict(named) for kind, named in documents.items() if kind not in KINDS}
    if "levels" in kept:
        kept["levels"] = {name: said for name, said in kept["levels"].items() if name == "main"}
    return {
        kind: {name: _without(said, FIELDS.get(kind, frozenset())) for name, said in named.items()}
        for kind, named in kept.items()
    }


def _without(value: Any, fields: frozenset[str]) -> Any:
    """Return a document without those fields, at any depth, and without rewards that are no currency."""
    if isinstance(value, dict):
        return {
            key: [_without(reward, fields) for reward in part if reward.get("kind", "currency") == "currency"]
            if key == "rewards"
            else _without(part, fields)
            for key, part in value.items()
            if key not in fields
        }
    return [_without(each, fields) for each in value] if isinstance(value, list) else value


@contextmanager
def programme_folder(programme: str) -> Iterator[Path]:
    """Give a folder with the documents, for as long as it is needed."""
    if programme == SEASON:
        yield CASINO
        return
    with tempfile.TemporaryDirectory(prefix="ptb-") as folder:
        write_programme(Path(folder), documents_of(programme))
        yield Path(folder)
