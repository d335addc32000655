"""Where ``crm.facts`` was."""

from crm.facts import facts_of as facts_of
from crm.facts import joined_facts as joined_facts
