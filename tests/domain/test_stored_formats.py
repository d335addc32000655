"""Bytes kept of every stored format. They must decode to the same values for ever.

Never change a line here: when a field is added, keep these and add the new version's bytes beside them.
"""

from typing import get_args

import pytest

from domain.effects import Effect, decode_record, encode_record
from domain.entries import Entry, Unreadable, decode_entry, encode_entry
from domain.player import PART_TYPES, Snapshot, changed_parts, snapshot_from_parts, with_parts
from tests.domain.stored import CRM_RECORD, ENTRIES, PARTS, RECORD

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
}
PART_BYTES = {
    "profile": ("9582a46e616d65a3416461a361676524ad4575726f70652f4c6973626f6ea570742d42520102"),
    "wallet": ("81a6706f696e74739205cf0020000000000000"),
    "metrics": ("81a16d929292cd4e200592cd4e21cb40040000000000009192a5736c6f7473cd4e21"),
    "missions": ("81a16d98ab696e5f70726f6772657373cd4e2081a462657473030907029193a36d2e31060008"),
    "progress": ("9381a161920a0181a46d61696ea4676f6c6481a16592cd4e200c"),
    "air": ("81a86578636c75646564c3"),
    "segments": ("9481a4766970730581a673696c656e74090907"),
    "identity": (
        "97a00091a7616e6f6e3a613181a7616e6f6e3a6131a66d657267656491a2643181a5656d61696cac6b65793a656d61696c3a"
        "616281a17880"
    ),
    "journeys": (
        "81a777656c636f6d6595020304a4676f616cdc00110207a4776169740304050681a876657269666965640492080991a46865"
        "6c70020181a6616d6f756e7405a26d31a373233105c3"
    ),
}
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


@pytest.mark.parametrize("kind", ENTRIES)
def test_kept_entries_decode(kind: str) -> None:
    assert decode_entry(bytes.fromhex(ENTRY_BYTES[kind])) == ENTRIES[kind]
    assert decode_entry(encode_entry(ENTRIES[kind])) == ENTRIES[kind]


def test_kept_snapshot_parts_decode() -> None:
    parts = {name: bytes.fromhex(data) for name, data in PART_BYTES.items()}
    assert snapshot_from_parts("ada", 9, parts) == with_parts(Snapshot("ada", 9), **PARTS)


def test_a_kept_history_record_decodes() -> None:
    assert decode_record(bytes.fromhex(RECORD_BYTES)) == RECORD
    assert decode_record(encode_record(RECORD)) == RECORD
    assert decode_record(bytes.fromhex(CRM_RECORD_BYTES)) == CRM_RECORD
    assert decode_record(encode_record(CRM_RECORD)) == CRM_RECORD


def test_bytes_are_kept_of_every_kind() -> None:
    assert {type(entry) for entry in ENTRIES.values()} == set(get_args(Entry)) - {Unreadable}  # it stores what it found
    assert PARTS.keys() == PART_BYTES.keys() == PART_TYPES.keys()
    assert {type(effect) for effect in (*RECORD.effects, *CRM_RECORD.effects)} == set(get_args(Effect))


def test_entries_written_before_a_field_was_added_still_decode() -> None:
    assert decode_entry(b"\x95\xa5event\xa3ada\xa2m1\xa3bet\x07").reply_to == ""  # type: ignore[union-attr]


def test_only_changed_parts_are_written() -> None:
    before = with_parts(Snapshot("ada"), **PARTS)
    assert changed_parts(before, with_parts(before, air={"excluded": False})).keys() == {"air"}
