"""Cases for a person: what an unwinding cannot put right. Listed by ``GET /v1/cases``."""

from hashlib import blake2b

from domain.game_effects import CaseOpened

DETAIL_CHARS_MAX = 1_000


def opened(player: str, cause: str, about: str, detail: str, events: tuple[str, ...] = ()) -> CaseOpened:
    """Return a case; its id is the same whenever the same thing is found again."""
    name = "\n".join((player, cause, about)).encode(errors="replace")
    case_id = "case_" + blake2b(name, digest_size=12).hexdigest()
    text = detail if len(detail) <= DETAIL_CHARS_MAX else detail[: DETAIL_CHARS_MAX - 3] + "..."
    return CaseOpened(case_id, about, text, events)
