"""What a player's turns tell the control tower of them, and what they keep for it: one module an idea.

``hearing.hear`` is the way in. All of it lives in the part ``air`` of the snapshot: facts by name, as they were last
told, and beside them records that the tower need not know (proofs of consents, devices, goals).
"""

from crm.facts.hearing import facts_of, hear, joined_facts, on_asked, tells
from crm.facts.rules import FactRules, compile_facts
from crm.facts.turn import Heard

__all__ = ["FactRules", "Heard", "compile_facts", "facts_of", "hear", "joined_facts", "on_asked", "tells"]
