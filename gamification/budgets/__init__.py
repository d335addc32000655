"""Reward budgets: how much of a currency, or how many rewards, a rule, a campaign or the programme may give.

A budget is kept by one actor (``keeper:budget:<id>``); a grant asks it first and is posted on the answer.
"""

from gamification.budgets.room import ROOM

__all__ = ["ROOM"]
