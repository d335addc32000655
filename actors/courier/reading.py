"""Which model may read players' texts now: the one that ``models/tone`` names, and no other. Pure."""

from collections.abc import Mapping
from typing import Any

from crm.connectors import READERS
from domain.reading import CHANNEL
from ml.tone_config import DOCUMENT

Documents = Mapping[str, Mapping[str, Mapping[str, Any]]]


def reader_of(documents: Documents) -> str:
    """Return the connector that may be asked, "" where the document is missing, switched off or names none."""
    plan = documents.get("models", {}).get(DOCUMENT, {})
    name = str(plan.get("endpoint", ""))
    connector = documents.get("connectors", {}).get(name, {})
    return name if plan.get("enabled", True) and str(connector.get("kind")) in READERS else ""


def connectors_in_use(documents: Documents) -> dict[str, Mapping[str, Any]]:
    """Return the connectors that a courier connects: of those that read texts only the one that may be asked."""
    named = reader_of(documents)
    return {
        name: document
        for name, document in documents.get("connectors", {}).items()
        if str(document.get("kind")) not in READERS or name == named
    }


def reading_budget(documents: Documents) -> dict[str, dict[str, int]]:
    """Return how many texts a day may be read, as a channel's budget: none where no model may be asked."""
    if not (named := reader_of(documents)):
        return {CHANNEL: {"per_day": 0}}
    connector = documents["connectors"][named]
    default = READERS[str(connector["kind"])].model_fields["per_day"].default
    return {CHANNEL: {"per_day": connector.get("per_day", default)}}
