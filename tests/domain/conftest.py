"""Drawn tests have no deadline: a busy machine is not a failure."""

from hypothesis import settings

settings.register_profile("unhurried", deadline=None, max_examples=100)
settings.load_profile("unhurried")
