"""Probable duplicates: an e-mail or a phone that two players have is proposed to a person, once, with a score."""

import pytest

from crm.identity import duplicates
from crm.identity.finding import actors_of
from domain.effects import DuplicateProposed, decode_record
from domain.entries import KeyClaimed
from domain.player import Snapshot
from tests.crm.town import Town

ADA, BOB, CLEO = "ada", "bob", "cleo"


def _proposed(town: Town) -> list[tuple[str, str, float, tuple[str, ...]]]:
    effects = [effect for data in town.proposed for effect in decode_record(data).effects]
    return [(e.player, e.other, e.score, e.reasons) for e in effects if isinstance(e, DuplicateProposed)]


def _town(**players: dict[str, str]) -> Town:
    town = Town()
    for player, traits in players.items():
        town.does(player, "identified", traits=traits)
        town.settle()
    return town


@pytest.mark.parametrize(
    ("hers", "his", "score", "reasons"),
    [
        pytest.param({"email": "a@x.com"}, {"email": "A@X.com"}, 0.5, ("email",), id="e-mail in any case"),
        pytest.param({"phone": "+380501234567"}, {"phone": "+380501234567"}, 0.4, ("phone",), id="phone"),
        pytest.param(
            {"email": "a@x.com", "phone": "+1", "name": "Ada L", "birthday": "1990-01-02"},
            {"email": "a@x.com", "phone": "+1", "name": "ada l", "birthday": "1990-01-02T00:00:00Z"},
            1.0,
            ("email", "phone", "name", "birthday"),
            id="everything, once",
        ),
        pytest.param(
            {"email": "a@x.com", "name": "Леся Українка"},
            {"email": "a@x.com", "first_name": "УКРАЇНКА", "last_name": "леся"},
            0.7,
            ("email", "name"),
            id="a name in any script and order",
        ),
        pytest.param(
            {"email": "a@x.com", "name": "ナ・ミ"},
            {"email": "a@x.com", "name": "ﾅ ﾐ"},
            0.7,
            ("email", "name"),
            id="width",
        ),
    ],
)
def test_what_agrees_makes_the_score(
    hers: dict[str, str], his: dict[str, str], score: float, reasons: tuple[str, ...]
) -> None:
    assert _proposed(_town(ada=hers, bob=his)) == [(ADA, BOB, score, reasons)]


@pytest.mark.parametrize(
    ("hers", "his"),
    [
        pytest.param({"name": "Ada"}, {"name": "Ada"}, id="a name alone"),
        pytest.param(
            {"phone": "+1", "birthday": "1990-01-02"}, {"phone": "+1", "birthday": "1961-05-06"}, id="a family's phone"
        ),
        pytest.param({"email": ""}, {"email": ""}, id="no address"),
        pytest.param({"email": "a@x.com"}, {"email": "b@x.com"}, id="two addresses"),
    ],
)
def test_what_is_not_probable_is_not_proposed(hers: dict[str, str], his: dict[str, str]) -> None:
    assert _proposed(_town(ada=hers, bob=his)) == []


@pytest.mark.parametrize("odd", [None, 7, ["a@x.com"], {"a": 1}, "x" * 5_000, "\ud800"])
def test_traits_that_are_no_text_are_not_claimed_and_stop_nothing(odd: object) -> None:
    town = Town()
    if odd != "\ud800":  # a lone surrogate never passes the log's encoding; the hash takes it all the same
        town.does(ADA, "identified", traits={"email": odd, "name": odd, "birthday": odd})
        assert town.on_the_way == []
    assert duplicates.concerns({"email": odd})


def test_a_pair_is_proposed_once_whatever_else_they_say() -> None:
    town = _town(ada={"email": "a@x.com"}, bob={"email": "a@x.com"})
    town.does(BOB, "identified", traits={"name": "Ada"})
    town.settle()
    town.does(ADA, "identified", traits={"name": "Ada"})
    town.settle()
    assert len(_proposed(town)) == 1


def test_three_players_of_one_address_are_three_pairs() -> None:
    found = _proposed(_town(ada={"email": "a@x.com"}, bob={"email": "a@x.com"}, cleo={"email": "a@x.com"}))
    assert {(one, two) for one, two, _, _ in found} == {(ADA, BOB), (ADA, CLEO), (BOB, CLEO)}


def test_an_address_given_up_is_not_compared_any_more() -> None:
    town = _town(ada={"email": "a@x.com"})
    town.does(ADA, "identified", traits={"email": "new@x.com"})
    town.settle()
    town.does(BOB, "identified", traits={"email": "a@x.com"})
    town.settle()
    assert _proposed(town) == []
    assert town.of(ADA).identity.keys.keys() == {"email"}


def test_an_address_removed_is_withdrawn() -> None:
    town = _town(ada={"email": "a@x.com"})
    (key,) = town.of(ADA).identity.keys.values()
    town.does(ADA, "identified", traits={"email": None})
    town.settle()
    assert town.of(key).identity.claims == {}
    assert town.of(ADA).identity.keys == {}


def test_ids_that_are_being_merged_are_not_proposed() -> None:
    town = Town()
    town.does("anon:g", "identified", traits={"email": "a@x.com"})
    town.settle()
    town.does(ADA, "identified", traits={"email": "a@x.com"}, anonymous="anon:g")
    town.settle()
    assert _proposed(town) == []


def test_the_address_of_a_guest_is_claimed_for_the_person_after_the_merge() -> None:
    town = Town()
    town.does("anon:g", "identified", traits={"email": "a@x.com"})
    town.does(ADA, anonymous="anon:g")
    town.settle()
    (key,) = town.of(ADA).identity.keys.values()
    assert list(town.of(key).identity.claims) == [ADA]
    town.does(BOB, "identified", traits={"email": "a@x.com"})
    town.settle()
    assert [pair[:2] for pair in _proposed(town)] == [(ADA, BOB)]


def test_a_key_actor_keeps_nothing_that_can_be_read() -> None:
    town = _town(ada={"email": "ada@example.com", "phone": "+380501234567", "name": "Ada Lovelace", "birthday": "1815"})
    for key in town.of(ADA).identity.keys.values():
        kept = repr(town.of(key)).casefold()
        assert not any(word in kept for word in ("example", "3805", "lovelace", "1815"))
        assert town.of(key).segments == Snapshot("").segments


def test_claims_are_bounded() -> None:
    town = Town()
    for n in range(duplicates.CLAIMS_MAX + 5):
        town.take(KeyClaimed("key:email:ab", f"p{n}", {"email": "ab"}, "m"))
    assert len(town.of("key:email:ab").identity.claims) == duplicates.CLAIMS_MAX


def test_a_chat_and_a_number_of_whatsapp_say_whose_they_are_and_propose_nobody() -> None:
    shared: dict[str, str] = {
        "telegram_chat_id": "77",
        "whatsapp": "+380 50 1",
        "name": "Ada L",
        "birthday": "1990-01-02",
    }
    town = _town(ada=shared, bob=shared)
    assert _proposed(town) == []
    for kind, said in (("telegram", "77"), ("whatsapp", "380501"), ("whatsapp", "+380501")):
        assert set(town.of(actors_of(kind, said)[0]).identity.claims) == {ADA, BOB}, kind
    town.does(ADA, "identified", traits={"telegram_chat_id": "78", "whatsapp": ""})
    town.settle()
    assert set(town.of(actors_of("telegram", "77")[0]).identity.claims) == {BOB}
    assert set(town.of(actors_of("telegram", "78")[0]).identity.claims) == {ADA}
    assert set(town.of(actors_of("whatsapp", "380501")[0]).identity.claims) == {BOB}


def test_a_phone_that_is_on_whatsapp_is_found_by_both() -> None:
    town = Town()
    town.does(ADA, "identified", traits={"phone": "+380501", "whatsapp": True})
    town.settle()
    for actor in (*actors_of("whatsapp", "380501"), *actors_of("twilio", "+380501"), *actors_of("smpp", "380501")):
        assert list(town.of(actor).identity.claims) == [ADA]


@pytest.mark.parametrize(("kind", "address"), [("smtp", "a@x.com"), ("telegram", " "), ("web_push", "x")])
def test_nobody_is_found_by_what_anybody_can_write(kind: str, address: str) -> None:
    assert actors_of(kind, address) == ()
