"""Bytes kept of every stored format. They must decode to the same values for ever.

Never change a line here: when a field is added, keep these and add the new version's bytes beside them.
"""

from typing import get_args

import pytest

from domain.dispatch import decode_dispatch, encode_dispatch
from domain.effects import Effect, decode_record, encode_record
from domain.entries import Entry, Unreadable, decode_entry, encode_entry
from domain.player import (
    PART_TYPES,
    Balance,
    Progress,
    Purse,
    Snapshot,
    Standing,
    all_parts,
    changed_parts,
    snapshot_from_parts,
    with_parts,
)
from domain.runs import RunRecord
from domain.shop import Purchase, Shop
from tests.domain.stored import (
    CHOICE_RECORD,
    CRM_RECORD,
    DISPATCH,
    ENTRIES,
    GROWN_FEATURES,
    MODEL_RECORD,
    PARTS,
    RECORD,
    TOWER_RECORD,
)
from tests.domain.stored_games import GAME_EFFECTS, GAME_ENTRIES, GAME_PARTS, record_of

ENTRY_BYTES = {
    "event": (
        "9ba56576656e74a3616461a26d31aa6265745f706c61636564cf0000019cae6b660082a6616d6f756e7405a46c697665c381"
        "a3766970c381a66c6f63616c65a27074a5747261636ba3677731a46b657931"
    ),
    "command": (
        "97a7636f6d6d616e64a3616461a5636d643a31a661646a75737482a863757272656e6379a6706f696e7473a6616d6f756e74"
        "fba3677731a46b657931"
    ),
    "timer": ("96a574696d6572a3616461af6d697373696f6e5f65787069726573a874656e2d62657473cf0000019cae6b660003"),
    "programme": ("93a970726f6772616d6d6507a0"),
    "request": (
        "9ca772657175657374a3616461a97265715f30355f6162a977656c6c2d646f6e65a672657761726492a6696e5f617070a470"
        "757368010281a57469746c65a248693ca567726f7570a26d31"
    ),
    "fact": ("96a466616374a3616461a86578636c75646564c305a26d31"),
    "event of 0.2": (
        "9ea56576656e74a3616461a26d31aa6265745f706c61636564cf0000019cae6b660081a6616d6f756e74058080a574726163"
        "6ba0a46b6579319192ac7472616974732e70686f6e65b12b333830202e2e2e20746f20452e313634a7616e6f6e3a6131a761"
        "6e6f6e3a6132"
    ),
    "visited": (
        "96a776697369746564a3616461aa63616d706169676e3a37a76a6f75726e6579ae63616d706169676e732f73616c6581a56c6f63616cc3"
    ),
    "walk": (
        "99a477616c6baa63616d706169676e3a37a76a6f75726e6579ae63616d706169676e732f73616c65ad7365676d656e74732f"
        "76697073cd025881a56c6f63616cc3c3a0"
    ),
    "merge_asked": ("95ab6d657267655f61736b6564a7616e6f6e3a6131a3616461a26d31a7616e6f6e3a6132"),
    "merged": ("95a66d6572676564a3616461a7616e6f6e3a613181a770726f66696c65c40190a26d31"),
    "merge_refused": ("95ad6d657267655f72656675736564a3616461a7616e6f6e3a6131a3626f62a26d31"),
    "key_claimed": ("95ab6b65795f636c61696d6564ac6b65793a656d61696c3a6162a361646181a46e616d65a3416461a26d31"),
    "full_request": (
        "dc0011a772657175657374a3616461a97265715f30355f6163a777656c636f6d65a570726f6d6f91a5656d61696c050981a5"
        "7469746c65a248693ca567726f7570a26d3181a5656d61696c81a77375626a656374a24869a6636173696e6fb26a6f75726e"
        "6579732f77656c636f6d65233181a56576656e74b16465706f7369745f636f6d706c65746564c3"
    ),
    "asked": (
        "93a561736b6564a361646191dc0011a772657175657374a3616461a97265715f30355f6163a777656c636f6d65a570726f6d"
        "6f91a5656d61696c050981a57469746c65a248693ca567726f7570a26d3181a5656d61696c81a77375626a656374a24869a6"
        "636173696e6fb26a6f75726e6579732f77656c636f6d65233181a56576656e74b16465706f7369745f636f6d706c65746564"
        "c3"
    ),
    "withdrawn": (
        "96a977697468647261776ea3616461a8676f616c5f6d657491a97265715f30355f6162b26a6f75726e6579732f77656c636f"
        "6d652331a26d31"
    ),
    "receipt": (
        "99a772656365697074a3616461a97265715f30355f6162a5656d61696ca7626f756e63656407ac6d61696c626f785f66756c"
        "6ca46d61696ca26d31"
    ),
    "reviewed": ("97a87265766965776564a3616461a97265715f30355f6162c3a46b657931a466696e65a5636d643a31"),
    "model": ("94a56d6f64656c0309a0"),
    "beliefs": ("93a762656c6965667309a0"),
    "reading": (
        "99ad72656164696e675f61736b6564a3616461a7726561645f6162a26d3107ac4d79205b6e616d655d206973a2756ba67265"
        "61646572a26d31"
    ),
    "landed": ("96a66c616e646564a3616461a97265715f30355f6162a473656e74a6696e5f61707007"),
    "telling request": (
        "dc0012a772657175657374a3616461a97265715f30355f6163a777656c636f6d65a570726f6d6f91a5656d61696c050981a5"
        "7469746c65a248693ca567726f7570a26d3181a5656d61696c81a77375626a656374a24869a6636173696e6fb26a6f75726e"
        "6579732f77656c636f6d65233181a56576656e74b16465706f7369745f636f6d706c65746564c3c3"
    ),
    "channel": ("97a76368616e6e656ca3736d73c2ad70726f76696465725f646f776e0907a0"),
}
PART_BYTES = {
    "profile": ("9582a46e616d65a3416461a361676524ad4575726f70652f4c6973626f6ea570742d42520102"),
    "wallet": ("81a6706f696e74739205cf0020000000000000"),
    "metrics": ("81a16d929292cd4e200592cd4e21cb40040000000000009192a5736c6f7473cd4e21"),
    "missions": ("81a16d98ab696e5f70726f6772657373cd4e2081a462657473030907029193a36d2e31060008"),
    "progress": ("9381a161920a0181a46d61696ea4676f6c6481a16592cd4e200c"),
    "air": ("81a86578636c75646564c3"),
    "segments": ("9481a4766970730581a673696c656e74090907"),
    "features": (
        "dc001d090102cf8000000000000001030401cbc016000000000000cb4002000000000000cb401a0000000000009302cb4023"
        "000000000000cb3fe00000000000000a0b9301cb4016000000000000cb00000000000000009303cb3ff8000000000000cb3f"
        "d00000000000009402cb3ff0000000000000cb4000000000000000cb40100000000000009402cb3fe0000000000000cb3ff8"
        "000000000000cb400c0000000000009402cb404e000000000000cb4056a00000000000cb40590000000000009402cb3ff800"
        "0000000000cb3ff8000000000000cb3ff80000000000009402cb4015000000000000cb4015000000000000cb401500000000"
        "00009401cb4004000000000000cb4004000000000000cb40040000000000009401cb3ff0000000000000cb3ff00000000000"
        "00cb3ff00000000000009401cb4034000000000000cb4034000000000000cb40340000000000009401cb4024000000000000"
        "cb4024000000000000cb40240000000000009401cb3ff0000000000000cb3ff0000000000000cb3ff00000000000009401cb"
        "401e000000000000cb401e000000000000cb401e000000000000cb3fe0000000000000cbbfd0000000000000cf8000000000"
        "000005"
    ),
    "habits": (
        "959801020304cb3ff800000000000005ce006ddd00cb400400000000000098cb4020000000000000cb400c000000000000cb"
        "3fe0000000000000cb3ff4000000000000cb3ff0000000000000cb4012000000000000cb3fd0000000000000cb4011000000"
        "00000098cb4010000000000000cb3ff8000000000000cb3fd0000000000000cb0000000000000000cb0000000000000000cb"
        "0000000000000000cb0000000000000000cb00000000000000009393000408cb3fe80000000000009103933c01cd0201"
    ),
    "choices": (
        "93919ca777696e6261636ba8636173686261636bb46a6f75726e6579732f77696e6261636b2f312f320509ce0003d090a566"
        "6c6f6f7292ce0016e360fda97265715f30355f6162a83061316232633364a874656d706c617465ce0007a12081a777696e62"
        "61636b93a830613162326333640481a8636173686261636b9203ce0016e36009"
    ),
    "scores": ("9281a5636875726e95cb3fe8000000000000cb3fe00000000000009192a7726563656e6379cb3fd0000000000000030709"),
    "identity": (
        "97a00091a7616e6f6e3a613181a7616e6f6e3a6131a66d657267656491a2643181a5656d61696cac6b65793a656d61696c3a"
        "616281a17880"
    ),
    "journeys": (
        "81a777656c636f6d6595020304a4676f616cdc00110207a4776169740304050681a876657269666965640492080991a46865"
        "6c70020181a6616d6f756e7405a26d31a373233105c3"
    ),
}
GROWN_BYTES = (  # of the fields that were added to the features
    "94030102cb4051900000000000939402cb3ff0000000000000cb4000000000000000cb40100000000000009401cb3fe00000"
    "00000000cb3ff0000000000000cb3ff80000000000009207ceffffffff"
)
RECORD_BYTES = (
    "94a26d31aa6265745f706c61636564cf0000019cae6b66009d98a6706f696e7473a6706f696e7473050aaa61646a7573746d"
    "656e7407a861646a7573746564a377687996b26d697373696f6e5f70726f67726573736564a16da462657473030a0294ae6d"
    "697373696f6e5f737461747573a16da7657870697265640297b16d697373696f6e5f636f6d706c65746564a16da36d2e3202"
    "a66d616e75616c630b93b2636f6d706c6574696f6e5f636c61696d6564a16da36d2e3293b2636f6d706c6574696f6e5f6578"
    "7069726564a16da36d2e3194b3616368696576656d656e745f72656163686564a161016494ad6c6576656c5f6368616e6765"
    "64a46d61696ea4676f6c64a673696c76657294a8616e737765726564a26f6ba4646f6e6581a762616c616e63650a94b16d65"
    "73736167655f726571756573746564a97265715f30355f6162a977656c6c2d646f6e65a672657761726493a466616374a865"
    "78636c75646564c392ae6475706c69636174655f6c617465b06164617c6d697373696f6e732f6d7c3292a97365745f617369"
    "6465a4626f6f6d"
)


CRM_RECORD_BYTES = (
    "94a26d31aa6265745f706c61636564cf0000019cae6b66009a93af7365676d656e745f656e7465726564a476697073a47469"
    "6d6593ac7365676d656e745f6c656674a36e6577a772656d6f76656496af6a6f75726e65795f656e7465726564a777656c63"
    "6f6d650207a77365676d656e7491a66261736b657498ac6a6f75726e65795f73746570a777656c636f6d6502a26869a7736b"
    "6970706564b0676f616c5f616c72656164795f6d6574a177a8766572696669656496ad6a6f75726e65795f656e646564a777"
    "656c636f6d6502a4676f616ca177a56576656e7493ae7472616974735f6368616e67656481a474696572a4676f6c64b56a6f"
    "75726e6579732f77656c636f6d652f6d61726b93af6964656e746974795f6c696e6b6564a7616e6f6e3a6131a093ae70726f"
    "66696c655f6d6572676564a7616e6f6e3a6131a092a9666f72776172646564a361646195b26475706c69636174655f70726f"
    "706f736564a3616461a3626f62cb3fe800000000000092a5656d61696ca46e616d65"
)
TOWER_RECORD_BYTES = (
    "94a26d31af636f6e73656e745f6368616e676564059397a7636f6e73656e74ac636173696e6f2f656d61696cc305b1707265"
    "666572656e63655f63656e747265a9776f7264696e672d33c394b16d6573736167655f77697468647261776ea8676f616c5f"
    "6d657491a97265715f30355f6162b26a6f75726e6579732f77656c636f6d65233195af6d6573736167655f72656365697074"
    "a97265715f30355f6162a5656d61696ca7626f756e636564ac6d61696c626f785f66756c6c"
)
MODEL_RECORD_BYTES = (
    "94a26d31aa6265745f706c61636564cf0000019cae6b66009298a673636f726564a5636875726ecb3fe800000000000003cb"
    "3fe0000000000000cb3fd00000000000009192a7726563656e6379cb3fd000000000000082a5636875726ecb3fe800000000"
    "0000aa656e676167656d656e74cb400400000000000094af7061747465726e5f6368616e676564ae73657373696f6e5f6c65"
    "6e677468a673696e676c6583a77365636f6e6473cb40bc200000000000a5757375616ccb4092c00000000000a17acb400c00"
    "0000000000"
)
CHOICE_RECORD_BYTES = (
    "94a26d31b16465706f7369745f636f6d706c6574656405939ba563686f7365a777696e6261636ba8636173686261636bb46a"
    "6f75726e6579732f77696e6261636b2f312f32a5666c6f6f72ce0003d09092a8636173686261636ba76e6f7468696e670792"
    "ce0016e360fda83061316232633364a46e6f64659bac63686f6963655f656e646564a777696e6261636ba863617368626163"
    "6bb46a6f75726e6579732f77696e6261636b2f312f32a4766f6964ce0007a120a5666c6f6f72ce0003d09092ce0016e360fd"
    "a83061316232633364a86e6f745f73656e749aae63686f6963655f636f756e746564a777696e6261636ba863617368626163"
    "6bb46a6f75726e6579732f77696e6261636b2f312f32a87265776172646564ce0007a120a5666c6f6f72ce0003d09092ce00"
    "16e360fda83061316232633364"
)
DISPATCH_BYTES = (
    "9da97265715f30355f6162a3616461a5656d61696ca570726f6d6fa777656c636f6d6581a77375626a656374a24869050609"
    "92a5656d61696ca8656d61696c3a3166b26a6f75726e6579732f77656c636f6d652331a2316603"
)


@pytest.mark.parametrize("kind", ENTRIES)
def test_kept_entries_decode(kind: str) -> None:
    assert decode_entry(bytes.fromhex(ENTRY_BYTES[kind])) == ENTRIES[kind]
    assert decode_entry(encode_entry(ENTRIES[kind])) == ENTRIES[kind]


@pytest.mark.parametrize("kind", GAME_ENTRIES)
def test_kept_entries_of_the_game_decode(kind: str) -> None:
    entry, kept = GAME_ENTRIES[kind]
    assert decode_entry(bytes.fromhex(kept)) == decode_entry(encode_entry(entry)) == entry


@pytest.mark.parametrize("kind", GAME_EFFECTS)
def test_kept_effects_of_the_game_decode(kind: str) -> None:
    effect, kept = GAME_EFFECTS[kind]
    record = record_of(effect)
    assert decode_record(bytes.fromhex(kept)) == decode_record(encode_record(record)) == record


def test_kept_snapshot_parts_decode() -> None:
    parts = {name: bytes.fromhex(data) for name, data in PART_BYTES.items()}
    assert snapshot_from_parts("ada", 9, parts) == with_parts(Snapshot("ada", 9), **PARTS)
    games = {name: bytes.fromhex(kept) for name, (_, kept) in GAME_PARTS.items()}
    kept_parts = {name: part for name, (part, _) in GAME_PARTS.items()}
    assert snapshot_from_parts("ada", 9, games) == with_parts(Snapshot("ada", 9), **kept_parts)


def test_features_with_their_later_fields_decode() -> None:
    old, new = PART_BYTES["features"], "dc001f" + PART_BYTES["features"][6:] + GROWN_BYTES
    assert bytes.fromhex(old)[:3] == b"\xdc\x00\x1d", "an array of 29"
    parts = {"features": bytes.fromhex(new)}
    assert snapshot_from_parts("ada", 9, parts).features == GROWN_FEATURES
    nobody = Snapshot("ada")
    assert changed_parts(nobody, with_parts(nobody, features=GROWN_FEATURES)) == parts


def test_a_kept_history_record_decodes() -> None:
    assert decode_record(bytes.fromhex(RECORD_BYTES)) == RECORD
    assert decode_record(encode_record(RECORD)) == RECORD
    assert decode_record(bytes.fromhex(CRM_RECORD_BYTES)) == CRM_RECORD
    assert decode_record(encode_record(CRM_RECORD)) == CRM_RECORD
    assert decode_record(bytes.fromhex(TOWER_RECORD_BYTES)) == TOWER_RECORD
    assert decode_record(bytes.fromhex(MODEL_RECORD_BYTES)) == MODEL_RECORD
    assert decode_record(bytes.fromhex(CHOICE_RECORD_BYTES)) == CHOICE_RECORD


def test_a_kept_dispatch_decodes() -> None:
    assert decode_dispatch(bytes.fromhex(DISPATCH_BYTES)) == DISPATCH
    assert decode_dispatch(encode_dispatch(DISPATCH)) == DISPATCH


def test_bytes_are_kept_of_every_kind() -> None:
    entries = [*ENTRIES.values(), *(entry for entry, _ in GAME_ENTRIES.values())]
    assert {type(entry) for entry in entries} == set(get_args(Entry)) - {Unreadable}  # it stores what it found
    assert PARTS.keys() == PART_BYTES.keys()
    assert PARTS.keys() | GAME_PARTS.keys() == PART_TYPES.keys()
    records = (RECORD, CRM_RECORD, TOWER_RECORD, MODEL_RECORD, CHOICE_RECORD)
    effects = [*(effect for record in records for effect in record.effects), *(e for e, _ in GAME_EFFECTS.values())]
    assert {type(effect) for effect in effects} == set(get_args(Effect))


def test_entries_written_before_a_field_was_added_still_decode() -> None:
    assert decode_entry(b"\x95\xa5event\xa3ada\xa2m1\xa3bet\x07").reply_to == ""  # type: ignore[union-attr]


def test_only_changed_parts_are_written() -> None:
    before = with_parts(Snapshot("ada"), **PARTS)
    assert changed_parts(before, with_parts(before, air={"excluded": False})).keys() == {"air"}


def test_what_was_paid_is_kept_with_its_terms() -> None:
    purchase = Purchase("p1", "mug", "granted", 7, paid=((9, 5), (0, 2)), lots=(("gems", 11),))
    parts = {"shop": Shop((purchase,)), "runs": {"race@7": RunRecord("asked", paid=((9, 5),))}}
    kept = {
        "shop": "9291dc0010a27031a36d7567a76772616e74656407a000a001a000c2000090929209059200029192a467656d730b80",
        "runs": (
            "81a6726163654037dc0012a561736b6564a000cb0000000000000000000000000000cb0000000000000000cb00000000"
            "00000000a00000a0a091920905"
        ),
    }
    assert snapshot_from_parts("ada", 9, {name: bytes.fromhex(data) for name, data in kept.items()}) == with_parts(
        Snapshot("ada", 9), **parts
    )
    nobody = Snapshot("ada")
    written = changed_parts(nobody, with_parts(nobody, **parts))
    assert {name: data.hex() for name, data in written.items()} == kept


def test_a_wallet_and_a_progress_with_their_later_fields_decode() -> None:
    parts = {
        "wallet": ("81a467656d73930914959192070591930803af6561726e2d72756c65732f6265747392cd4e200c9192cd4e200c07"),
        "progress": "9480808081a4636c75629291a673696c76657207",
    }
    purse = Purse(((7, 5),), ((8, 3, "earn-rules/bets"),), (20_000, 12), ((20_000, 12),), 7)
    snapshot = snapshot_from_parts("ada", 9, {name: bytes.fromhex(data) for name, data in parts.items()})
    assert snapshot.wallet == {"gems": Balance(9, 20, purse)}
    assert snapshot.progress == Progress(standings={"club": Standing(("silver",), 7)})
    assert {name: all_parts(snapshot)[name].hex() for name in parts} == parts
