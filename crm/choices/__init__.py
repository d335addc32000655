"""Choices by chance that learns: which arm a player gets, and what came of it (docs/choices.md, ADR 0011).

``config`` is the document, ``drawing`` says who gets what, ``course`` follows an open choice to its end. The arithmetic
is ``ml.choices``.
"""

from crm.choices.course import opened_by_event as opened_by_event
from crm.choices.drawing import Drawn as Drawn
from crm.choices.drawing import context_of as context_of
from crm.choices.drawing import decided as decided
from crm.choices.drawing import eligible as eligible
from crm.choices.drawing import is_barred as is_barred
from crm.choices.drawing import is_held_out as is_held_out
from crm.choices.drawing import obstacle as obstacle
from crm.choices.rules import ChoiceRule as ChoiceRule
from crm.choices.rules import ChoiceRules as ChoiceRules
