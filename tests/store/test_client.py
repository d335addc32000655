"""The client of the store, when more is asked of it at once than it has connections."""

import asyncio

import pytest
from redis.exceptions import ConnectionError

from store.client import connect, is_transient
from tests.conftest import Server

pytestmark = pytest.mark.redis


async def test_more_commands_than_connections_wait_for_each_other(server: Server) -> None:
    client = connect(server.url, connections=3)
    try:
        assert await asyncio.gather(*(client.echo(str(n)) for n in range(200))) == [b"%d" % n for n in range(200)]
    finally:
        await client.aclose()


async def test_a_command_that_finds_no_connection_in_time_may_be_asked_again(server: Server) -> None:
    client = connect(server.url, connections=1, timeout_s=0.2)
    try:
        held = await client.connection_pool.get_connection()
        with pytest.raises(ConnectionError) as refused:
            await client.ping()
        assert is_transient(refused.value)
        await client.connection_pool.release(held)
        assert await client.ping()
    finally:
        await client.aclose()
