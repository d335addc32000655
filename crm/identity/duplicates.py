"""Probable duplicates: players that share an e-mail or a phone are proposed to a person, never merged.

Each address has an actor of its own in the logs (``key:email:<hash>``). Players tell it who they are in hashes alone,
so what is compared can be, and nothing can be read from it. Weights are ours: an e-mail is rarely shared, a phone
sometimes (a family's), a name often, and two birthdays that differ speak against.
"""

import re
import unicodedata
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from msgspec import structs

from crm.addresses import addresses_of
from crm.working import Turn
from domain.effects import DuplicateProposed
from domain.entries import KeyClaimed
from domain.ids import KEY_PREFIX

KINDS = ("email", "phone")  # traits that have a key actor; of two that agree the first proposes
FOUND_BY = ("chat", "whatsapp")  # addresses with a key actor that only says whose they are (``finding``)
CLAIMS_MAX = 20  # players of one address; an address of more tells nothing about who is who
LINKED_MAX = 20  # ids told to a key actor as already linked, the last ones
WEIGHTS = {"email": 0.5, "phone": 0.4, "name": 0.2, "birthday": 0.2}
OTHER_BIRTHDAY = -0.3
SCORE_MIN = 0.3  # less is not proposed
_NAMES = ("name", "first_name", "last_name")
_BIRTHDAYS = ("birthday", "birth_date", "date_of_birth")
_TRAITS = frozenset((*KINDS, *_NAMES, *_BIRTHDAYS, "telegram_chat_id", "whatsapp"))
_CHARS_MAX = 320
_APART = re.compile(r"[\W_]+")


def concerns(traits: Mapping[str, Any]) -> bool:
    """Tell whether the traits hold any that duplicates are found by."""
    return not _TRAITS.isdisjoint(traits)


def tell(turn: Turn) -> None:
    """Tell the key actors of the profile's addresses what changed; one that is gone is withdrawn."""
    known, found = _evidence(turn.traits), _found_by(turn.traits)
    held = turn.identity.keys
    wanted = {kind: _key(kind, known[kind]) for kind in KINDS if kind in known}
    wanted |= {kind: key_actor(kind, address) for kind, address in found.items()}
    is_news = known != _evidence(turn.before.profile.traits)
    if wanted == held and not (is_news and wanted):
        return
    linked = [other for other, status in turn.identity.links.items() if status in ("asked", "merged")]
    evidence = known | {"linked": linked[-LINKED_MAX:]}
    for kind in KINDS:
        if kind in held and held[kind] != wanted.get(kind):
            turn.relays.append(KeyClaimed(held[kind], turn.player, {}, turn.cause))
        if kind in wanted and (is_news or held.get(kind) != wanted[kind]):
            turn.relays.append(KeyClaimed(wanted[kind], turn.player, evidence, turn.cause))
    for kind in FOUND_BY:
        if kind in held and held[kind] != wanted.get(kind):
            turn.relays.append(KeyClaimed(held[kind], turn.player, {}, turn.cause))
        if kind in wanted and held.get(kind) != wanted[kind]:
            turn.relays.append(KeyClaimed(wanted[kind], turn.player, {kind: "yes"}, turn.cause))
    turn.identity = structs.replace(turn.identity, keys=wanted)


def withdraw(turn: Turn) -> None:
    """Take back every claim: the profile has ended."""
    turn.relays += [KeyClaimed(key, turn.player, {}, turn.cause) for key in turn.identity.keys.values()]


def on_claimed(turn: Turn, claimed: KeyClaimed) -> None:
    """Take the turn of a key actor: keep the claim, and propose each pair that it makes probable, once."""
    claims = dict(turn.identity.claims)
    if not claimed.evidence:
        claims.pop(claimed.claimant, None)
    elif claimed.claimant in claims or len(claims) < CLAIMS_MAX:
        told = [*claims.get(claimed.claimant, {}).get("told", ())]
        mine = claims[claimed.claimant] = {**claimed.evidence, "told": told}
        for other, theirs in claims.items():
            if other == claimed.claimant or _is_settled(claimed.claimant, mine, other, theirs):
                continue
            reasons, score = _compared(mine, theirs)
            if score >= SCORE_MIN and reasons and turn.player.startswith(f"{KEY_PREFIX}{reasons[0]}:"):
                told.append(other)
                one, two = sorted((claimed.claimant, other))
                turn.effects.append(DuplicateProposed(one, two, score, reasons))
    if claims != turn.identity.claims:
        turn.identity = structs.replace(turn.identity, claims=claims)


def _is_settled(one: str, mine: Mapping[str, Any], other: str, theirs: Mapping[str, Any]) -> bool:
    """Tell whether the pair was proposed before, or is being merged anyway."""
    if other in mine["told"] or one in theirs.get("told", ()):
        return True
    return other in mine.get("linked", ()) or one in theirs.get("linked", ())


def _compared(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> tuple[tuple[str, ...], float]:
    """Return what agrees, in the order of ``WEIGHTS``, and the score of it in 0..1."""
    both = [kind for kind in WEIGHTS if mine.get(kind) and theirs.get(kind)]
    agree = tuple(kind for kind in both if mine[kind] == theirs[kind])
    score = sum(WEIGHTS[kind] for kind in agree)
    if "birthday" in both and "birthday" not in agree:
        score += OTHER_BIRTHDAY
    return agree, round(min(max(score, 0.0), 1.0), 2)


def _evidence(traits: Mapping[str, Any]) -> dict[str, str]:
    """Return what two players can be compared by, hashed; what is malformed or absent is left out."""
    name = _text(traits, "name") or f"{_text(traits, 'first_name')} {_text(traits, 'last_name')}"
    said = {
        "email": _text(traits, "email"),
        "phone": _text(traits, "phone"),
        "name": " ".join(_words(name)),
        "birthday": next(filter(None, (_text(traits, trait)[:10] for trait in _BIRTHDAYS)), ""),
    }
    return {kind: _hash(value) for kind, value in said.items() if value}


def _found_by(traits: Mapping[str, Any]) -> dict[str, str]:
    """Return the addresses of messengers, which nobody is compared by."""
    of_messengers = addresses_of(traits, {}).get("messenger", ())
    return {"chat" if address.kind == "telegram" else "whatsapp": address.value for address in of_messengers}


def _words(name: str) -> list[str]:
    """Return the words of a name in any script, in an order of their own: the family name may come first or last."""
    return sorted(word for word in _APART.split(unicodedata.normalize("NFKC", name).casefold()) if word)


def _text(traits: Mapping[str, Any], name: str) -> str:
    value = traits.get(name)
    return value.strip() if isinstance(value, str) and len(value) <= _CHARS_MAX else ""


def _hash(value: str) -> str:
    return blake2b(value.casefold().encode(errors="replace"), digest_size=12).hexdigest()


def key_actor(kind: str, address: str) -> str:
    """Return the key actor of an address: its claims say whose it is."""
    if kind == "whatsapp":  # which writes numbers without the plus
        address = "".join(char for char in address if char.isdecimal())
    return _key(kind, _hash(address.strip()))


def _key(kind: str, hashed: str) -> str:
    return f"{KEY_PREFIX}{kind}:{hashed}"
