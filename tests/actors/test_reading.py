"""A text that a model outside is asked to read: from the player's turn over tower and courier, and back."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import structs

from actors.courier.reading import reading_budget
from actors.player import Player, Told
from actors.programme import compile_programme
from channels.ports import Parcel, Rejected, Result, Retry, Sent, Unclear
from crm.tower.airspace import Airspace
from crm.tower.turn import take_tower_turn
from domain.dispatch import Dispatch
from domain.effects import Effect, SegmentEntered, SegmentLeft, decode_record
from domain.entries import Entry, Event, LogEntry, ReadingAsked, decode_entry
from domain.errors import Invalid
from domain.player import Snapshot
from domain.reading import CHANNEL, WITHIN_MS
from tests.actors.post import START, Do, Office, Provider, now_ms, run

MODEL = {"kind": "chat_model", "model": "small-1", "per_day": 2}
ANGRY = "Де мої гроші?! Третій день не можу вивести, ви шахраї!"
IRONIC = "Oh wonderful, the third day without my withdrawal. Bravo."
ASKING = "Як змінити номер телефону?"
HOUR = 3_600_000


def documents(**changes: Any) -> dict[str, Any]:
    return {
        "connectors": {"reader": MODEL},
        "models": {"tone": {"endpoint": "reader", **changes}},
        "segments": {"upset": {"where": {"field": "player.tone.mood", "op": "eq", "value": "negative"}}},
        "policies": {"default": {"holds": [{"when": "negative_mood", "purposes": ["promo"], "for_s": 3600}]}},
    }


class Zoya:
    """One player and her tower."""

    def __init__(self, **changes: Any) -> None:
        self.programme = compile_programme(1, documents(**changes))
        self.state = Snapshot("zoya")
        self.count = 0

    def take(self, entry: Entry, at: int = START) -> list[Effect]:
        self.count += 1
        turns, self.state = Player(self.state).take(
            [LogEntry(f"{self.count}-0", at, entry)], Told(self.programme, 0, "seed")
        )
        assert not turns.failed, turns.failed
        self.outputs = [decode_entry(body) for body in turns.outputs]
        return [effect for _, data in turns.history for effect in decode_record(data).effects]

    def writes(self, text: str, *, at: int = START, said_at: int | None = None, **more: Any) -> list[Effect]:
        said_at = at if said_at is None else said_at
        return self.take(Event("zoya", f"m{self.count}", "support_message_sent", said_at, {"text": text, **more}), at)

    @property
    def asked(self) -> list[ReadingAsked]:
        return [entry for entry in self.outputs if isinstance(entry, ReadingAsked)]

    def dispatches(self) -> list[Dispatch]:
        """Let her tower take what her turn told it."""
        found, air = [], Airspace("zoya")
        for n, entry in enumerate(self.outputs):
            step = take_tower_turn(self.programme.crm, air, LogEntry(f"{n}-0", START, entry))
            air = step.airspace
            found += step.dispatches
        return found


def says(mood: str, confidence: float = 0.9) -> Do:
    async def do(_: Parcel) -> Result:
        await asyncio.sleep(0.05)
        return Sent(said={"mood": mood, "confidence": confidence, "model": "small-1"})

    return do


def office(do: Do) -> tuple[Office, Provider]:
    post, provider = Office(), Provider(do, kinds=frozenset())
    post.connector("reader", provider, **MODEL)
    post.documents["models"] = {"tone": {"endpoint": "reader"}}
    return post, provider


def read(do: Do, zoya: Zoya, seconds: float = 1) -> list[Event]:
    """Let a courier have what her tower gave out; the events that come back."""

    async def story() -> list[Event]:
        post, _ = office(do)
        post.clear(*zoya.dispatches())
        post.start()
        await asyncio.sleep(seconds)
        assert post.in_flight() == 0
        assert post.letters() == [], "a text that could not be read is nobody's dead letter"
        return post.events("zoya")

    return run(story)


def of(kind: type[Any], effects: list[Effect]) -> list[Any]:
    return [effect for effect in effects if isinstance(effect, kind)]


def test_a_model_reads_what_the_turn_could_not_and_the_segment_moves_in_the_turn_of_its_answer() -> None:
    zoya = Zoya()
    assert of(SegmentEntered, zoya.writes(IRONIC)) == []
    (asked,) = zoya.asked
    assert (asked.text, asked.language, asked.connector, asked.event) == (IRONIC, "en", "reader", "m0")
    (event,) = read(says("negative"), zoya)
    assert (event.name, event.type, event.source) == ("tone_read", "tone", "channel:tone")
    assert of(SegmentEntered, zoya.take(event, START + 1_000)) == [SegmentEntered("upset", "event")]
    tone = zoya.state.air["tone"]
    assert (tone["mood"], tone["at"], tone["by"], tone["model"]) == ("negative", START, "reader", "small-1")
    assert zoya.state.air["context:negative_mood"]["since"] == START
    assert of(SegmentEntered, zoya.take(event, START + 2_000)) == [], "it may come twice"


def test_what_the_turn_took_for_anger_is_taken_back_when_the_model_says_neither() -> None:
    zoya = Zoya()
    zoya.take(Event("zoya", "c", "support_case_opened", START, {"case_id": "c1"}))
    assert of(SegmentEntered, zoya.writes(ANGRY))
    (event,) = read(says("neutral"), zoya)
    assert of(SegmentLeft, zoya.take(event, START + 1_000)) == [SegmentLeft("upset", "event")]
    assert zoya.state.air["support_case"]["mood"] == "neutral"
    assert not zoya.state.air["context:negative_mood"]["open"]


@pytest.mark.parametrize(("mood", "confidence"), [("neutral", 1.0), ("negative", 0.4)])
def test_a_middle_changes_nothing_of_what_was_said_before(mood: str, confidence: float) -> None:
    zoya = Zoya()
    zoya.writes(ANGRY, at=START - 1_000)
    before = zoya.state.air["tone"]
    zoya.writes(ASKING)
    (event,) = read(says(mood, confidence), zoya)
    zoya.take(event, START + 1_000)
    assert zoya.state.air["tone"] is before


@pytest.mark.parametrize(("confidence", "mood"), [(0.0, "negative"), (0.49, "negative"), (0.5, "neutral")])
def test_a_neutral_that_the_model_is_not_sure_of_takes_nothing_back(confidence: float, mood: str) -> None:
    zoya = Zoya()
    zoya.take(Event("zoya", "c", "support_case_opened", START, {"case_id": "c1"}))
    zoya.writes(ANGRY)
    (event,) = read(says("neutral", confidence), zoya)
    zoya.take(event, START + 1_000)
    assert zoya.state.air["tone"]["mood"] == zoya.state.air["support_case"]["mood"] == mood
    assert zoya.state.air["context:negative_mood"]["open"] is (mood == "negative")


@pytest.mark.parametrize(
    ("mood", "is_open"),
    [
        pytest.param("neutral", True, id="neutral takes back only what that text began"),
        pytest.param("positive", False, id="positive ends what any began"),
        pytest.param("negative", True, id="negative goes on"),
    ],
)
def test_what_an_earlier_text_began_is_ended_by_no_neutral_of_a_later_one(mood: str, is_open: bool) -> None:
    zoya = Zoya()
    zoya.writes(ANGRY, at=START - HOUR)
    zoya.writes(ANGRY)
    (event,) = read(says(mood), zoya)
    assert event.properties["at"] == START
    zoya.take(event, START + 1_000)
    assert zoya.state.air["tone"]["mood"] == mood
    found = zoya.state.air["context:negative_mood"]
    assert (found["open"], found["since"]) == (is_open, START - HOUR if is_open else 0)


def test_a_text_of_tomorrow_is_taken_back_as_any_other() -> None:
    zoya = Zoya()
    zoya.writes(ANGRY, said_at=START + HOUR)
    assert zoya.state.air["context:negative_mood"]["since"] == START
    (event,) = read(says("neutral"), zoya)
    zoya.take(event, START + 1_000)
    assert not zoya.state.air["context:negative_mood"]["open"]


def test_an_answer_that_comes_after_something_newer_was_said_is_late() -> None:
    zoya = Zoya()
    zoya.writes(IRONIC)
    (event,) = read(says("negative"), zoya)
    zoya.writes("Щиро дякую, чудова підтримка, все працює", at=START + 500)
    assert of(SegmentEntered, zoya.take(event, START + 1_000)) == []
    assert zoya.state.air["tone"]["mood"] == "positive"


@pytest.mark.parametrize(
    "result",
    [
        Sent(detail="the model's answer was not understood"),
        Rejected("400"),
        Unclear("no answer in time"),
        Sent(said={"mood": "furious", "confidence": 1.0, "model": "small-1"}),
    ],
    ids=lambda result: type(result).__name__,
)
def test_when_the_model_fails_the_reading_of_the_turn_stands_and_it_is_not_asked_again(result: Result) -> None:
    tries: list[str] = []

    async def do(parcel: Parcel) -> Result:
        tries.append(parcel.id)
        return result

    zoya = Zoya()
    zoya.writes(ANGRY)
    assert read(do, zoya, seconds=700) == []
    assert len(tries) == 1
    assert zoya.state.air["tone"]["by"] == "weights"


def test_it_is_tried_again_while_it_is_worth_it_and_then_given_up() -> None:
    zoya = Zoya()
    zoya.writes(ANGRY)

    async def story() -> None:
        tries: list[int] = []

        async def down(_: Parcel) -> Result:
            tries.append(now_ms())
            return Retry("500")

        post, _ = office(down)
        post.clear(*zoya.dispatches())
        post.start()
        await asyncio.sleep(700)
        assert 1 < len(tries) < 6
        assert tries[-1] - START <= WITHIN_MS
        assert post.in_flight() == post.waiting() == 0
        assert post.events() == post.letters() == []

    run(story)


def test_a_courier_that_dies_while_it_asks_is_followed_by_none_that_asks_again() -> None:
    zoya = Zoya()
    zoya.writes(ANGRY)

    async def story() -> None:
        async def never(_: Parcel) -> Result:
            await asyncio.Event().wait()
            raise AssertionError("nobody sets it")

        post, provider = office(never)
        post.clear(*zoya.dispatches())
        post.start()
        await asyncio.sleep(1)
        assert len(provider.parcels) == 1
        post.kill()
        post.start("courier-1")
        await asyncio.sleep(30)
        assert len(provider.parcels) == 1, "once: a second reading costs, and tells nothing"
        assert post.in_flight() == post.waiting() == 0
        assert post.events() == []

    run(story)


def test_beyond_the_budget_of_the_day_nothing_is_asked_and_what_waits_is_forgotten() -> None:
    zoya = Zoya()
    dispatches = []
    for n in range(4):
        zoya.writes(f"{IRONIC} {n}")
        dispatches += zoya.dispatches()

    async def story() -> None:
        post, provider = office(says("negative"))
        post.clear(*dispatches)
        post.start()
        await asyncio.sleep(700)
        assert len(provider.parcels) == MODEL["per_day"]
        assert len(post.events()) == MODEL["per_day"]
        assert post.waiting() == post.in_flight() == 0

    run(story)


def test_only_the_connector_that_the_document_names_is_asked() -> None:
    zoya = Zoya()
    zoya.writes(ANGRY)

    async def story() -> None:
        post, provider = office(says("negative"))
        other = Provider(says("positive"), kinds=frozenset())
        post.connector("another", other, kind="chat_model", model="small-2", order=0)
        post.clear(*zoya.dispatches())
        post.start()
        await asyncio.sleep(1)
        assert (len(provider.parcels), len(other.parcels)) == (1, 0)

    run(story)


def deletes(post: Office) -> None:
    del post.documents["models"]


def switches_off(post: Office) -> None:
    post.documents["models"]["tone"]["enabled"] = False


def names_another(post: Office) -> None:
    post.connector("another", Provider(says("positive"), kinds=frozenset()), kind="chat_model", model="small-2")
    post.documents["models"]["tone"]["endpoint"] = "another"


def disconnects(post: Office) -> None:
    del post.documents["connectors"]["reader"]


CHANGES = [deletes, switches_off, names_another, disconnects]


@pytest.mark.parametrize("change", CHANGES)
def test_nothing_leaves_once_the_programme_wants_no_reading_and_what_waits_ends_as_withdrawn(
    change: Callable[[Office], None],
) -> None:
    zoya = Zoya()
    dispatches = []
    for n in range(4):
        zoya.writes(f"{IRONIC} {n}")
        dispatches += zoya.dispatches()

    async def story() -> None:
        post, provider = office(says("negative"))
        change(post)
        post.clear(*dispatches)
        courier = post.start()
        await asyncio.sleep(15)
        assert provider.parcels == []
        assert post.waiting() == post.in_flight() == 0
        assert post.events() == post.letters() == []
        assert courier.heartbeat.channels["tone"]["landings"]["withdrawn"] == len(dispatches)

    run(story)


@pytest.mark.parametrize("change", CHANGES)
def test_a_text_that_waits_to_be_tried_again_is_not_tried_after_the_programme_changed(
    change: Callable[[Office], None],
) -> None:
    zoya = Zoya()
    zoya.writes(ANGRY)

    async def story() -> None:
        async def down(_: Parcel) -> Result:
            return Retry("500")

        post, provider = office(down)
        post.clear(*zoya.dispatches())
        courier = post.start()
        await asyncio.sleep(1)
        change(post)
        await asyncio.sleep(60)
        assert len(provider.parcels) == 1
        assert post.waiting() == post.in_flight() == 0
        assert courier.heartbeat.channels["tone"]["landings"]["withdrawn"] == 1

    run(story)


def test_a_text_whose_document_a_courier_has_not_read_yet_waits_for_it() -> None:
    zoya = Zoya()
    zoya.writes(IRONIC)

    async def story() -> None:
        post, provider = office(says("negative"))
        documents, post.documents = post.documents, {}
        post.start()
        await asyncio.sleep(10)
        (dispatch,) = zoya.dispatches()
        post.clear(structs.replace(dispatch, cleared_at=now_ms()))
        await asyncio.sleep(1)
        post.documents = documents
        await asyncio.sleep(10)
        assert len(provider.parcels) == len(post.events("zoya")) == 1

    run(story)


@pytest.mark.parametrize(
    ("plan", "connectors", "per_day"),
    [
        pytest.param({"endpoint": "reader"}, {"reader": MODEL}, 2, id="as it says"),
        pytest.param({"endpoint": "own"}, {"own": {"kind": "local_model"}}, 1_000_000, id="the kind's own"),
        pytest.param({"endpoint": "reader", "enabled": False}, {"reader": MODEL}, 0, id="switched off"),
        pytest.param({"endpoint": "gone"}, {"reader": MODEL}, 0, id="a connector that is gone"),
        pytest.param({"endpoint": "mail"}, {"mail": {"kind": "smtp"}}, 0, id="one that reads nothing"),
        pytest.param(None, {"reader": MODEL}, 0, id="deleted"),
    ],
)
def test_the_budget_of_the_day_is_nothing_where_no_model_may_be_asked(
    plan: dict[str, Any] | None, connectors: dict[str, Any], per_day: int
) -> None:
    documents = {"models": {"tone": plan} if plan else {}, "connectors": connectors}
    assert reading_budget(documents) == {"tone": {"per_day": per_day}}


def test_what_is_sent_names_nobody_and_has_no_links() -> None:
    zoya = Zoya()
    zoya.take(Event("zoya", "i", "identify", START, traits={"first_name": "Zoya"}, type="identify"))
    zoya.writes("I am Zoya, zoya@example.com, call +380671234567 https://x.example/u/7 NOW")

    async def story() -> None:
        post, provider = office(says("negative"))
        post.clear(*zoya.dispatches())
        post.start()
        await asyncio.sleep(1)
        ((_, parcel),) = provider.parcels
        assert parcel.content["text"] == "I am [name], [email], call [phone] [link] NOW"
        assert (parcel.unsubscribe_url, parcel.preferences_url, parcel.status_url) == ("", "", "")

    run(story)


def test_without_the_document_nothing_is_asked() -> None:
    zoya = Zoya(enabled=False)
    zoya.writes(ANGRY)
    assert zoya.asked == []


@pytest.mark.parametrize(
    ("changes", "text", "count"),
    [
        pytest.param({"languages": ["uk"]}, ANGRY, 1, id="a language that is wanted"),
        pytest.param({"languages": ["en", "other"]}, ANGRY, 0, id="one that is not"),
        pytest.param({"languages": ["other"]}, "Wo bleibt mein Geld, ihr verdammten Gauner", 1, id="any other"),
        pytest.param({"texts": "unclear"}, ANGRY, 0, id="clear already"),
        pytest.param({"texts": "unclear"}, ASKING, 1, id="unclear"),
        pytest.param({}, "STOP", 0, id="no more messages"),
    ],
)
def test_which_texts_are_asked_for(changes: dict[str, Any], text: str, count: int) -> None:
    zoya = Zoya(**changes)
    zoya.writes(text)
    assert len(zoya.asked) == count


def test_neither_old_texts_nor_those_of_excluded_players_nor_what_the_platform_judged_itself() -> None:
    zoya = Zoya()
    zoya.writes(ANGRY, said_at=START - HOUR - 1)
    assert zoya.asked == []
    zoya.writes(ANGRY, mood="angry")
    assert zoya.asked == []
    zoya.take(Event("zoya", "x", "self_excluded", START))
    zoya.writes(ANGRY)
    assert zoya.asked == []


def test_a_clients_event_of_that_name_is_no_reading() -> None:
    zoya = Zoya()
    said = {
        "of": "m0",
        "at": START,
        "mood": "negative",
        "confidence": 1,
        "language": "en",
        "model": "x",
        "connector": "x",
    }
    zoya.take(Event("zoya", "f", "tone_read", START, said))
    assert "tone" not in zoya.state.air


def test_a_dispatch_has_no_purpose_so_an_exclusion_and_the_budget_stop_it() -> None:
    zoya = Zoya()
    zoya.writes(ANGRY)
    (dispatch,) = zoya.dispatches()
    assert (dispatch.channel, dispatch.lane, dispatch.is_legal, dispatch.once) == (CHANNEL, "bulk", False, True)
    assert dispatch.send_until == dispatch.expires_at == START + WITHIN_MS


def test_the_document_must_name_a_model_and_a_language() -> None:
    with pytest.raises(Invalid) as refused:
        compile_programme(1, documents(endpoint="mail", languages=["xx"]))
    (problem,) = refused.value.extra["errors"]
    assert (problem["document"], problem["path"]) == ("models/tone", "languages[0]")
    with pytest.raises(Invalid) as refused:
        compile_programme(1, documents(endpoint="mail"))
    (problem,) = refused.value.extra["errors"]
    assert problem["path"] == "endpoint"
    assert "chat_model" in problem["detail"]
    with pytest.raises(Invalid, match="'churn' or 'tone'"):
        compile_programme(1, {"models": {"other": {}}})
