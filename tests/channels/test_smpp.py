"""SMS by SMPP 3.4, against an independent SMSC on Node."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec import structs

from channels.factory import ConnectorUnusable, make_adapter
from channels.ports import Inbound, Rejected, Result, Retry, Sent, Unclear
from channels.smpp import SmppAdapter
from crm.addresses import Address
from tests.channels.peers import closed_url, parcel, secrets
from tests.channels.smsc import Smsc, needs_node, smsc

pytestmark = needs_node

DOCUMENT: dict[str, Any] = {
    "kind": "smpp",
    "host": "127.0.0.1",
    "system_id": "lucky",
    "password": {"env": "P"},
    "system_type": "crm",
    "source_address": "Lucky",
    "timeout_s": 10,
}


class Inbox:
    """What came in; it fails as often as it is told."""

    def __init__(self) -> None:
        self.items: asyncio.Queue[Inbound] = asyncio.Queue()
        self.failures = 0

    async def __call__(self, inbound: Inbound) -> None:
        if self.failures:
            self.failures -= 1
            raise OSError("the log is down")
        self.items.put_nowait(inbound)

    async def next(self) -> Inbound:
        async with asyncio.timeout(20):
            return await self.items.get()


@asynccontextmanager
async def connected(
    inbox: Inbox | None = None, password: str = "secret", **changes: Any
) -> AsyncIterator[tuple[Smsc, SmppAdapter]]:
    async with smsc() as center:
        adapter = make_adapter(
            "sms",
            {**DOCUMENT, "port": center.port, **changes},
            read_secret=secrets({"P": password}),
            on_inbound=inbox,
        )
        assert isinstance(adapter, SmppAdapter)
        try:
            yield center, adapter
        finally:
            await adapter.close()


async def sent(adapter: SmppAdapter, text: str = "Hi Ada", to: str = "+380501112233", **changes: Any) -> Result:
    return await adapter.send(parcel(Address("phone", to), {"text": text}, **changes))


async def test_a_text_arrives_as_written_and_its_report_names_the_request() -> None:
    inbox = Inbox()
    async with connected(inbox) as (center, adapter):
        assert await sent(adapter, "Hi {Ada}, 20 € wait") == Sent("m1")
        assert await center.said("type") == "crm"
        got = await center.said("submitted")
        report = await inbox.next()
    assert got["text"] == "Hi {Ada}, 20 € wait"
    assert (got["to"], got["to_ton"], got["from"], got["from_ton"]) == ("380501112233", 1, "Lucky", 5)
    assert (got["coding"], got["report"], got["udh"]) == (0, 1, "")
    assert report == Inbound(
        "delivered", provider_id="m1", request="req_7_ada", address="+380501112233", player="ada", mark="m1/delivered"
    )


async def test_one_letter_outside_gsm_makes_it_ucs2() -> None:
    async with connected() as (center, adapter):
        assert isinstance(await sent(adapter, "Привіт, Ada 😀"), Sent)
        got = await center.said("submitted")
    assert (got["text"], got["coding"]) == ("Привіт, Ada 😀", 8)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("x" * 160, 1),
        ("x" * 161, 2),
        ("x" * 152 + "€" + "y" * 8, 2),
        ("й" * 70, 1),
        ("й" * 71, 2),
        ("й" * 66 + "😀" + "й" * 66, 3),
    ],
    ids=lambda value: str(value)[-12:],
)
async def test_a_long_text_comes_in_parts_that_a_phone_joins(text: str, parts: int) -> None:
    inbox = Inbox()
    async with connected(inbox) as (center, adapter):
        assert await sent(adapter, text) == Sent(f"m{parts}")
        got = [await center.said("submitted") for _ in range(parts)]
        report = await inbox.next()
    assert "".join(part["text"] for part in got) == text
    assert [part["report"] for part in got] == [0] * (parts - 1) + [1], "one report for the whole"
    assert report.request == "req_7_ada"
    headers = [part["udh"] for part in got]
    assert (
        headers == [""]
        if parts == 1
        else [h[-4:] for h in headers] == [f"{parts:02}{n:02}" for n in range(1, parts + 1)]
    )
    assert len({h[:-2] for h in headers}) == 1, "not the same reference"


async def test_a_long_text_may_go_as_one_payload() -> None:
    async with connected(long_texts="payload") as (center, adapter):
        assert await sent(adapter, "й" * 200) == Sent("m1")
        got = await center.said("submitted")
    assert (got["text"], got["is_payload"]) == ("й" * 200, True)


async def test_a_text_of_too_many_parts_is_not_sent() -> None:
    async with connected(parts_max=2) as (_, adapter):
        assert await sent(adapter, "x" * 307) == Rejected("expected a text of 1 to 2 SMS, got 3")
        assert isinstance(await sent(adapter, ""), Rejected)
        assert isinstance(await sent(adapter, "x" * 306), Sent)


@pytest.mark.parametrize(
    ("status", "result"),
    [
        (0x58, Retry("ESME_RTHROTTLED", after_s=1)),
        (0x14, Retry("ESME_RMSGQFUL", after_s=1)),
        (0x08, Retry("ESME_RSYSERR")),
        (0x45, Retry("ESME_RSUBMITFAIL", is_provider=False)),
        (0x64, Retry("ESME_RX_T_APPN", is_provider=False)),
        (0x0B, Rejected("ESME_RINVDSTADR", is_address_dead=True)),
        (0x0A, Rejected("ESME_RINVSRCADR")),
        (0x66, Rejected("ESME_RX_R_APPN")),
        (0x0401, Rejected("0x00000401")),
    ],
)
async def test_what_a_status_means(status: int, result: Result) -> None:
    async with connected() as (_, adapter):
        assert await sent(adapter, to=f"000{status}") == result
        assert isinstance(await sent(adapter), Sent), "the connection was lost by it"


async def test_a_wrong_password_is_told() -> None:
    async with connected(password="wrong") as (_, adapter):
        assert await sent(adapter) == Retry("bind refused: ESME_RINVPASWD")


async def test_nobody_there_is_another_time() -> None:
    port = int((await closed_url()).rpartition(":")[2])
    adapter = make_adapter("sms", {**DOCUMENT, "port": port}, read_secret=secrets({"P": "secret"}))
    assert isinstance(adapter, SmppAdapter)
    assert await sent(adapter) == Retry("no connection: ConnectionRefusedError")
    await adapter.close()


async def test_silence_is_unclear() -> None:
    async with connected(timeout_s=1) as (_, adapter):
        await sent(adapter)
        assert await sent(adapter, to="111") == Unclear("no answer in time")


async def test_a_connection_that_ends_is_unclear_and_bound_again() -> None:
    async with connected() as (center, adapter):
        assert await sent(adapter, to="222") == Unclear("the connection broke")
        assert isinstance(await sent(adapter), Sent)
        await center.said("bound")
        await center.said("bound")


async def test_it_stays_bound_without_sending() -> None:
    inbox = Inbox()
    async with connected(inbox, enquire_link_s=1) as (center, _):
        await center.said("bound")
        await center.said("enquired")
        center.do(drop=True)
        await center.said("closed")
        await center.said("bound")
        center.do(enquire=True)
        assert await center.said("alive") == 0
        center.do(source_addr="380501112233", source_addr_ton=1, destination_addr="Lucky", short_message="hi")
        assert unmarked(await inbox.next()) == Inbound("replied", address="+380501112233", detail="hi")


async def test_the_rest_of_a_text_waits_when_it_is_throttled() -> None:
    async with connected() as (center, adapter):
        assert await sent(adapter, "x" * 300, to="333") == Sent("m2")
        got = [await center.said("submitted") for _ in range(3)]
    assert (got[1]["text"], got[1]["udh"]) == (got[2]["text"], got[2]["udh"])


async def test_a_text_of_which_a_part_was_refused_is_unclear() -> None:
    async with connected() as (_, adapter):
        assert await sent(adapter, "x" * 300, to="444") == Unclear("ESME_RX_R_APPN after 1 of 2 parts")


async def test_an_undelivered_one_is_told() -> None:
    inbox = Inbox()
    async with connected(inbox) as (_, adapter):
        await sent(adapter, to="+380501112239")
        report = await inbox.next()
    assert (report.outcome, report.detail, report.request) == ("bounced", "UNDELIV err:005", "req_7_ada")


@pytest.mark.parametrize(
    ("message", "inbound"),
    [
        ({"short_message": "thanks {you}"}, Inbound("replied", address="+380501112233", detail="thanks {you}")),
        (
            {"short_message": "дякую", "data_coding": 8},
            Inbound("replied", address="+380501112233", detail="дякую"),
        ),
        ({"short_message": "STOP"}, Inbound("unsubscribed", address="+380501112233", detail="STOP")),
    ],
)
async def test_what_a_player_writes_comes_back(message: dict[str, Any], inbound: Inbound) -> None:
    inbox = Inbox()
    async with connected(inbox) as (center, _):
        await center.said("bound")
        center.do(source_addr="380501112233", source_addr_ton=1, destination_addr="Lucky", **message)
        assert unmarked(await inbox.next()) == inbound
        assert await center.said("delivered") == 0


async def test_the_same_words_twice_are_two_texts() -> None:
    inbox = Inbox()
    async with connected(inbox) as (center, _):
        await center.said("bound")
        for _n in range(2):
            center.do(source_addr="380501112233", destination_addr="Lucky", short_message="STOP")
        one, two = await inbox.next(), await inbox.next()
    assert one.mark != two.mark
    assert unmarked(one) == unmarked(two)


def unmarked(inbound: Inbound) -> Inbound:
    assert inbound.mark
    return structs.replace(inbound, mark="")


async def test_the_parts_of_a_long_reply_are_joined_in_their_order() -> None:
    inbox = Inbox()
    async with connected(inbox) as (center, _):
        await center.said("bound")
        for number, text in ((2, "world"), (1, "hello ")):
            to = {"source_addr": "380501112233", "source_addr_ton": 1, "destination_addr": "Lucky"}
            center.do(**to, esm_class=0x40, udh=f"050003aa02{number:02}", short_message=text)
        assert (await inbox.next()).detail == "hello world"


async def test_what_could_not_be_kept_is_not_acknowledged() -> None:
    inbox = Inbox()
    inbox.failures = 1
    async with connected(inbox) as (center, _):
        await center.said("bound")
        message = {"source_addr": "380501112233", "destination_addr": "Lucky", "short_message": "hi"}
        center.do(**message)
        assert await center.said("delivered") == 0x64
        center.do(**message)
        assert await center.said("delivered") == 0
        assert (await inbox.next()).detail == "hi"
        assert inbox.items.empty()


async def test_what_nobody_takes_is_counted() -> None:
    async with connected() as (center, adapter):
        await center.said("bound")
        center.do(source_addr="380501112233", destination_addr="Lucky", short_message="hi")
        assert await center.said("delivered") == 0
        assert adapter.dropped == 1


async def test_it_unbinds_before_it_goes() -> None:
    async with connected() as (center, adapter):
        await sent(adapter)
        await adapter.close()
        await center.said("unbound")


@pytest.mark.parametrize("number", ["+12345678901234567890123", "Ada", "", "\uff11\uff12"])
async def test_what_is_no_number_is_dead(number: str) -> None:
    async with connected() as (_, adapter):
        result = await sent(adapter, to=number)
    assert isinstance(result, Rejected)
    assert result.is_address_dead


def test_a_password_that_smpp_has_no_room_for_is_told() -> None:
    with pytest.raises(ConnectorUnusable, match="at most 8") as error:
        make_adapter("sms", DOCUMENT, read_secret=secrets({"P": "hunter2hunter2"}))
    assert "hunter2" not in str(error.value)
