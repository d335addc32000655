"""Messages that no provider took: shown among the dead letters, and asked for again through the tower."""

from actors.programme import compile_programme
from actors.requests import asked
from domain.dispatch import Dispatch, encode_dispatch
from domain.entries import Command, LogEntry, MessageRequest
from domain.ids import partition_of
from domain.player import Snapshot
from store.dead_letters import MESSAGE_FAILED, DeadLetter, encode_dead_letter
from store.keys import dead
from tests.api.conftest import PARTITIONS, Api, Host

CONTENT = {"subject": "Ada, 20 free spins", "html": "<p>Hello</p>", "text": "Hello"}


async def failed(api: Api, player: str = "ada") -> str:
    """Leave a message that failed for good; the id of its letter."""
    sent = Dispatch(
        "req_1_0123456789abcdef", player, "email", "promo", "spins-of-last-year", CONTENT, cleared_at=1_000,
        send_until=2_000, expires_at=3_000, marks=("promo", "email", "casino/email"), source="campaigns/spring",
    )  # fmt: skip
    letter = DeadLetter(
        "",
        1_500,
        MESSAGE_FAILED,
        "mail: mailbox full",
        "email/mail",
        player,
        sent.id,
        encode_dispatch(sent),
        "dispatch",
    )
    p = partition_of(player, PARTITIONS)
    place = await api.context.redis.xadd(dead(p), {"d": encode_dead_letter(letter)})
    return f"{p}-{place.decode()}"


async def test_it_is_listed_with_what_was_to_be_sent(api: Api) -> None:
    letter = await failed(api)
    (item,) = (await api.get("/v1/dead-letters?code=message_failed")).json()["items"]
    assert (item["id"], item["from"], item["event_id"]) == (letter, "courier", "req_1_0123456789abcdef")
    assert item["body"]["content"] == CONTENT
    assert (await api.get(f"/v1/dead-letters/{letter}")).json()["detail"] == "mail: mailbox full"


async def test_sent_in_again_it_is_a_request_of_its_own_with_its_words(api: Api, host: Host) -> None:
    letter = await failed(api)
    answer = await api.post(f"/v1/dead-letters/{letter}/replay", idempotency_key="again-1")
    assert answer.status_code == 200, answer.text
    await api.post(f"/v1/dead-letters/{letter}/replay", idempotency_key="again-1")
    (command,) = [entry.entry for entry in await host.logged() if isinstance(entry.entry, Command)]
    assert (command.player, command.name, command.args["rendered"]) == ("ada", "message", {"email": CONTENT})
    request = asked(command, Snapshot("ada"), LogEntry("1-0", 5_000, command), compile_programme(0, {}))
    assert isinstance(request, MessageRequest), "its template is gone, its words are not"
    assert (request.channels, request.contents, request.source) == (("email",), {"email": CONTENT}, "campaigns/spring")
    assert request.id == command.args["request_id"] != "req_1_0123456789abcdef"
    assert request.product == "casino"
    assert request.expires_at > request.requested_at


async def test_many_are_sent_in_again_at_once(api: Api) -> None:
    letters = [await failed(api, player) for player in ("ada", "bob", "cem")]
    answer = (await api.post("/v1/dead-letters/replay", {"code": MESSAGE_FAILED}, idempotency_key="all")).json()
    assert (answer["accepted"], sorted(item["id"] for item in answer["items"])) == (3, sorted(letters))


async def test_it_is_not_corrected(api: Api) -> None:
    letter = await failed(api)
    answer = await api.post(f"/v1/dead-letters/{letter}/replay", {"subject": "Better"}, idempotency_key="better")
    assert (answer.status_code, answer.json()["code"]) == (422, "not_correctable")
