"""Names of events, in any spelling and of any length."""

import pytest

from api.masks import Rejection
from api.names import NAME_MAX, snake_case


@pytest.mark.parametrize(
    ("sent", "inside"),
    [
        ("Order Completed", "order_completed"),
        ("orderCompleted", "order_completed"),
        ("order.completed", "order_completed"),
        ("HTTPServerStarted", "http_server_started"),
        ("Level2Reached", "level2_reached"),
        ("  Bet -- Placed! ", "bet_placed"),
        ("Ставка Сделана", "ставка_сделана"),
    ],
)
def test_one_event_has_one_name_however_it_is_spelled(sent: str, inside: str) -> None:
    assert snake_case(sent) == inside


@pytest.mark.parametrize("sent", ["A" * 32_000, "aB" * 16_000, "-" * 32_000, "x" * (NAME_MAX + 1)])
def test_a_name_that_is_too_long_is_refused_without_looking_at_it(sent: str) -> None:
    with pytest.raises(Rejection, match="200 characters"):
        snake_case(sent)


def test_the_longest_name_that_is_looked_at_takes_no_longer_than_its_length_asks() -> None:
    with pytest.raises(Rejection):
        snake_case("A" * 400)  # 2 ms with a pattern that backtracks, and four times that for twice the length
    assert snake_case("A" * NAME_MAX) == "a" * NAME_MAX
