"""What makes no prize."""

import pytest

from gamification.minigames.config import Prize


def test_a_prize_has_rewards_or_is_said_to_be_none() -> None:
    assert Prize.model_validate({"id": "blank", "lose": True}).rewards == ()
    with pytest.raises(ValueError, match="expected rewards, or lose: true"):
        Prize.model_validate({"id": "typo"})
