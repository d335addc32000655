"""What a person reads who wrote a document wrong."""

import pytest
from pydantic import ValidationError

from gamification.config import LevelsConfig, problems


def test_a_misspelt_kind_of_reward_lists_the_kinds_and_names_no_function() -> None:
    level = {"id": "gold", "at": 100, "rewards": [{"kind": "curency", "amount": 1}]}
    with pytest.raises(ValidationError) as error:
        LevelsConfig.model_validate({"levels": [level]})
    kinds = "'currency', 'spins', 'tickets', 'freezes', 'item'"
    expected = f"levels[0].rewards[0]: expected one of {kinds}, got the kind 'curency'"
    assert expected in problems(error.value)
