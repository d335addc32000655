"""Every document that a page of ``docs/`` shows is one; those of the game also make a programme with the sample.

A YAML block that begins with ``# kind/id`` is a document. What an example of the game refers to and its page does not
show comes from the sample programme, so it may name its missions, currencies and templates.
"""

import re
from pathlib import Path
from typing import Any

import pytest

from actors.programme import check_programme, validate_document
from domain.errors import Invalid
from playtower.programme_files import read_programme
from store.documents import from_yaml

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
CASINO = ROOT / "examples" / "programmes" / "casino" / "programme"
_BLOCK = re.compile(r"^```yaml\n# ([a-z-]+)/([\w.-]+)\b[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)

Found = list[tuple[str, str, dict[str, Any]]]


def documents_of(page: Path) -> Found:
    return [(kind, name, from_yaml(body)) for kind, name, body in _BLOCK.findall(page.read_text(encoding="utf-8"))]


PAGES = {page.relative_to(DOCS).as_posix(): page for page in sorted(DOCS.glob("**/*.md")) if documents_of(page)}


@pytest.mark.parametrize("page", PAGES)
def test_every_document_of_a_page_is_valid(page: str) -> None:
    for kind, name, document in documents_of(PAGES[page]):
        validate_document(kind, name, document)


def test_the_documents_of_a_page_of_the_game_can_be_published_together() -> None:
    for page in (page for page in PAGES if page.startswith("gamification")):
        programme = read_programme(CASINO)
        for kind, name, document in documents_of(PAGES[page]):
            programme.setdefault(kind, {})[name] = validate_document(kind, name, document)
        try:
            check_programme(1, programme)
        except Invalid as error:
            raise AssertionError(f"docs/{page}: {error}") from error
