"""What was drawn for a player's slots: kept for their day, told of once."""

import pytest
from redis.asyncio import Redis

from store.exposures import Drawn, Exposures, drawn_today, shown_today
from store.keys import shown

pytestmark = pytest.mark.redis

FIRST = Drawn("season", "spring", 430_000, "policy", (1_500_000, -20))


async def test_the_first_draw_of_a_number_stays_whoever_draws_at_the_same_time(redis: Redis) -> None:
    kept = Exposures(redis, 1)
    assert await kept.keep("amelia", "banner", 7, FIRST) == FIRST
    assert await kept.keep("amelia", "banner", 7, Drawn("season", "autumn", 570_000, "policy")) == FIRST
    again = Drawn("season", "autumn", 1_000_000, "only", n=1)
    assert await kept.keep("amelia", "banner", 7, again) == again
    fields = await redis.hgetall(shown(0, "amelia"))
    assert drawn_today(fields, "banner", 7) == again
    assert drawn_today(fields, "banner", 8) is drawn_today(fields, "offers", 7) is None
    assert 0 < await redis.ttl(shown(0, "amelia")) <= 3 * 86_400


async def test_a_draw_is_told_of_by_one_exposure_which_may_ask_again(redis: Redis) -> None:
    kept = Exposures(redis, 1)
    await kept.keep("amelia", "banner", 7, FIRST)
    assert await kept.told_of("amelia", "banner", 7, 0, "e-1", arm=FIRST.arm) == FIRST
    assert await kept.told_of("amelia", "banner", 7, 0, "e-2", arm=FIRST.arm) is None
    assert await kept.told_of("amelia", "banner", 7, 0, "e-1", arm=FIRST.arm) == FIRST
    assert await kept.told_of("amelia", "banner", 7, 0, "e-1", arm="another") is None, "another profile's draw"
    assert await kept.told_of("basil", "banner", 7, 0, "e-3", arm=FIRST.arm) is None, "nothing was drawn there"


async def test_draws_do_not_count_as_exposures_and_go_with_their_day(redis: Redis) -> None:
    kept = Exposures(redis, 1)
    await kept.keep("amelia", "banner", 7, FIRST)
    await kept.told_of("amelia", "banner", 7, 0, "e-1", arm=FIRST.arm)
    await kept.count("amelia", "banner", 7, "spring")
    fields = await redis.hgetall(shown(0, "amelia"))
    assert shown_today(fields.items(), "banner", 7) == {"spring": 1}
    await kept.count("amelia", "banner", 9, "spring")
    assert set(await redis.hgetall(shown(0, "amelia"))) == {b"banner|9|spring"}
