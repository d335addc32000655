"""The journal's stored form: kept bytes decode, and what one commit writes leads on from what is stored."""

from domain.entries import Event
from domain.journal import PAGE, Correction, Journal, Mark, Taken, Void, encode_taken, read, written
from domain.player import Snapshot, all_parts, changed_parts, snapshot_from_parts, with_parts
from domain.runs import RunRecord

BET = Taken(
    "5-0",
    7,
    2,
    6,
    Event("ada", "m1", "bet_placed", 7, {"round_id": "r7"}),
    levels=(("main", "b"),),
    debits=(("points", "streaks/daily"),),
    scores={"churn": 0.5},
    tone={"mood": "glad"},
)
CORRECTED = Taken(
    "",
    8,
    2,
    profile=b"\x95",
    grants=(("points", 5, "journeys/j/n"),),
    cause="m1",
    correction=Correction({"points": 5}, {"race@7": 4}, {"race@7": RunRecord("scoring", "race@7", 3, 5.5, 7, 9)}),
)
JOURNAL = Journal(
    9,
    11,
    (Mark(3, 0, 7, {"wallet": b"\x81"}, {"churn": 0.25}, {"mood": "sad"}), Mark(4, 4, 8)),
    ((encode_taken(BET),) * PAGE, (encode_taken(CORRECTED),) * PAGE),
    (encode_taken(BET),),
    (3,),
    {"properties.round_id=r7": Void(7, "m9", 1, "case_1")},
    2,
    {"churn": 0.5},
    {"mood": "glad"},
    4,
)
TAKEN_BYTES = {
    "bet": (
        "9da3352d300702069ea56576656e74a3616461a26d31aa6265745f706c616365640781a8726f756e645f6964a2723780"
        "80a5747261636ba0a090a0a0c40090a09192a46d61696ea1629192a6706f696e7473ad73747265616b732f6461696c79"
        "81a5636875726ecb3fe000000000000081a46d6f6f64a4676c6164c0"
    ),
    "corrected": (
        "9da0080200c0c401959193a6706f696e747305ac6a6f75726e6579732f6a2f6ea26d319090c0c09381a6706f696e7473"
        "0581a67261636540370481a6726163654037dc0011a773636f72696e67a672616365403703cb40160000000000000709"
        "00000000cb0000000000000000cb0000000000000000a00000a0a0"
    ),
}
FIELD_BYTES = {
    "journal": (
        "9b090b9203040291c47c9da3352d300702069ea56576656e74a3616461a26d31aa6265745f706c616365640781a8726f"
        "756e645f6964a272378080a5747261636ba0a090a0a0c40090a09192a46d61696ea1629192a6706f696e7473ad737472"
        "65616b732f6461696c7981a5636875726ecb3fe000000000000081a46d6f6f64a4676c6164c0910381b670726f706572"
        "746965732e726f756e645f69643d72379407a26d3901a6636173655f310281a5636875726ecb3fe000000000000081a4"
        "6d6f6f64a4676c616404"
    ),
    "journal.m0": "96040408808080",
    "journal.m1": "9603000781a677616c6c6574c4018181a5636875726ecb3fd000000000000081a46d6f6f64a3736164",
}


def test_kept_entries_of_the_journal_decode() -> None:
    kept = [bytes.fromhex(data) for data in TAKEN_BYTES.values()]
    assert [taken for _, taken in Journal(2, 11, open=tuple(kept)).entries(0)] == [BET, CORRECTED]


def test_kept_fields_of_the_journal_decode() -> None:
    pages = {name: data for name, data in written(Journal(), JOURNAL).items() if name not in FIELD_BYTES}
    assert read(pages | {name: bytes.fromhex(data) for name, data in FIELD_BYTES.items()}, Journal()) == JOURNAL


def test_a_kept_page_decodes() -> None:
    kept = bytes.fromhex("9200" + "94" + PAGE * (f"c4{len(encode_taken(BET)):02x}" + TAKEN_BYTES["bet"]))
    assert written(Journal(), JOURNAL)["journal.0"] == kept


def test_what_is_sealed_is_written_once() -> None:
    before = with_parts(Snapshot("ada"), journal=JOURNAL)
    more = Journal(10, 11, JOURNAL.marks, JOURNAL.sealed, (*JOURNAL.open, encode_taken(BET)), sequence=4)
    after = with_parts(before, journal=more)
    fields = changed_parts(before, after)
    assert fields.keys() == {"journal"}
    assert snapshot_from_parts("ada", 0, fields, JOURNAL) == with_parts(Snapshot("ada"), journal=more)


def test_a_player_without_a_journal_stores_none() -> None:
    assert "journal" not in all_parts(Snapshot("ada"))
    assert all_parts(with_parts(Snapshot("ada"), journal=JOURNAL)).keys() > {"journal", "journal.0", "journal.1"}
