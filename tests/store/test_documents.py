"""Documents as text."""

import pytest
import yaml

from store.documents import from_yaml


def test_a_key_that_is_written_twice_is_refused_with_its_line_and_path() -> None:
    text = "name: {en: Race}\nevents:\n  - event: bet_placed\n    score: {count: true}\n    event: bet_settled\n"
    with pytest.raises(yaml.YAMLError, match=r"line 5: events\.0\.event: expected each key once"):
        from_yaml(text)
    with pytest.raises(yaml.YAMLError, match=r"line 2: 1: expected each key once"):
        from_yaml("1: a\n'1': b\n")


def test_the_same_key_in_two_places_is_two_keys() -> None:
    assert from_yaml("a: {x: 1}\nb: {x: 2}\nc: [{x: 3}, {x: 4}]") == {
        "a": {"x": 1},
        "b": {"x": 2},
        "c": [{"x": 3}, {"x": 4}],
    }
