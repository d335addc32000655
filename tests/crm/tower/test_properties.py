"""The laws of the tower, for any policy, place, stream of requests and facts, and whatever becomes of what was sent."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.crm.tower.skies import Skies

SEEDS = int(os.environ.get("TOWER_SEEDS", "3000"))


@given(seed=st.integers(min_value=0, max_value=2**40))
@settings(max_examples=150, deadline=None)
def test_no_message_passes_a_rule_and_none_is_lost(seed: int) -> None:
    skies = Skies(seed).live()
    assert not skies.broken, skies.broken[:5]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_long_run_of_seeds_keeps_the_laws() -> None:
    failed = {seed: skies.broken[0] for seed in range(SEEDS) if (skies := Skies(seed).live()).broken}
    assert not failed, f"{len(failed)} of {SEEDS} seeds failed: {list(failed.items())[:5]}"
