"""What a person reads who wrote a document wrong."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from gamification.config import CurrencyConfig, LevelsConfig, problems
from gamification.tournaments.config import TournamentConfig


def test_a_misspelt_kind_of_reward_lists_the_kinds_and_names_no_function() -> None:
    level = {"id": "gold", "at": 100, "rewards": [{"kind": "curency", "amount": 1}]}
    with pytest.raises(ValidationError) as error:
        LevelsConfig.model_validate({"levels": [level]})
    kinds = "'currency', 'spins', 'tickets', 'freezes', 'item'"
    expected = f"levels[0].rewards[0]: expected one of {kinds}, got the kind 'curency'"
    assert expected in problems(error.value)


@pytest.mark.parametrize(
    ("model", "document", "path"),
    [
        (CurrencyConfig, {"expires": "soon"}, "expires: "),
        (CurrencyConfig, {"expires": "1h"}, "expires: "),
        (CurrencyConfig, {"expires": {"at": "week_end"}}, "expires.at: "),
        (TournamentConfig, {"schedule": {"every": "hour"}}, "schedule.every: "),
        (TournamentConfig, {"schedule": {"starts": "soon"}}, "schedule.starts: "),
    ],
)
def test_of_two_forms_the_one_that_was_meant_is_told_once_under_its_own_path(
    model: type[BaseModel], document: dict[str, Any], path: str
) -> None:
    with pytest.raises(ValidationError) as error:
        model.model_validate(document)
    root = path.split(".")[0].split(":")[0]
    told = [line for line in problems(error.value) if line.startswith(root)]
    assert len([line for line in told if line.startswith(path)]) == 1, told
    assert not any(mark in line for line in told for mark in ("<", "function", "ExpiresAt", "recurring", "once")), told
