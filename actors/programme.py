"""One version of the programme, validated as a whole and compiled: what a partition runs.

The registry of kinds is here, because both rule packages meet here; each validates its own documents.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import msgspec
from pydantic import BaseModel, ValidationError

import crm.config
import crm.intake_config
import gamification.config
import gamification.rooms
import ml.config
import ml.tone_config
from crm.config import TemplateConfig
from crm.connectors import READERS, ConnectorConfig
from crm.programme import CrmRules, InvalidCrm, compile_crm
from crm.vocabulary import unknown_names
from domain.errors import Invalid, NotFound
from gamification.config import problems
from gamification.programme import InvalidProgramme, compile_rules
from gamification.rollback.config import RollbackConfig
from gamification.rules import Rules
from gamification.world import Metrics
from ml.config import ModelPlan, ModelsConfig, compile_models
from ml.tone_config import ToneConfig, TonePlan, compile_tone
from store.documents import Documents
from store.programmes import Programmes

Document = dict[str, Any]
Problem = dict[str, str]  # document, path, detail

CACHE_MAX = 40  # compiled versions kept in a process
OLDER_MAX = 16  # versions before its own that a mission in progress may have begun with
_NONE_OLDER: "Mapping[int, Programme]" = {}
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_PATH = re.compile(r"[\w.\-\[\]]+")


class Settings(crm.config.SettingsConfig):
    """``settings/main``: where the programme is at home, and which events may be rolled back."""

    rollback: RollbackConfig | None = None


KINDS: dict[str, type[BaseModel]] = {
    **gamification.config.KINDS,
    **gamification.rooms.KINDS,
    **crm.config.KINDS,
    **crm.intake_config.KINDS,
    **ml.config.KINDS,
    "settings": Settings,
    "connectors": ConnectorConfig,
}
SINGLE: dict[str, dict[str, type[BaseModel]]] = {  # kinds whose ids are given, with their models
    "policies": {"default": KINDS["policies"]},
    "settings": {"main": KINDS["settings"]},
    "models": {ml.config.DOCUMENT: KINDS["models"], ml.tone_config.DOCUMENT: ToneConfig},
}
PLANNED = frozenset(
    ("streaks", "tournaments", "rewards", "minigames", "segments", "journeys", "experiments", "connectors", "webhooks")
) - set(KINDS)


@dataclass(frozen=True, slots=True)
class Programme:
    """A compiled version: the players' rules, the tower's, and what the models are told."""

    version: int
    rules: Rules
    crm: CrmRules
    metrics: Metrics  # what the CRM's rules may ask of the game's
    models: ModelPlan | None = None  # None: players are not scored, and it costs nothing
    tone: TonePlan | None = None  # None: what players write is read in their turns alone


def check_kind(kind: str) -> type[BaseModel]:
    """Return the model of a kind.

    Raises:
        Invalid: the kind is planned, but not in this version.
        NotFound: there is no such kind.
    """
    if kind in PLANNED:
        raise Invalid(f"the kind {kind!r} is not available in this version", code="kind_not_available", kind=kind)
    if kind not in KINDS:
        raise NotFound(f"expected one of {' '.join(sorted(KINDS))}, got the kind {kind[:60]!r}", code="kind_unknown")
    return KINDS[kind]


def _model_of(kind: str, name: str) -> type[BaseModel]:
    """Return the model of a document; of an id that there is not, the kind's.

    Raises:
        Invalid, NotFound: as ``check_kind``.
    """
    model = check_kind(kind)
    return SINGLE.get(kind, {}).get(name, model)


def check_id(name: str) -> str:
    """Return the id of a document when it is one.

    Raises:
        Invalid: it is not; an id is also a file name and part of a path.
    """
    if not _ID.fullmatch(name):
        raise Invalid(f"expected an id of 1 to 100 letters, digits, _ . -, got {name[:120]!r}", code="id_invalid")
    return name


def validate_document(kind: str, name: str, document: object) -> Document:
    """Return the document as it is stored: only what was written, durations in seconds, aliases as in the contract.

    Raises:
        Invalid: with ``errors``, one for each problem, naming the path of the bad node.
        NotFound: there is no such kind.
    """
    model = _model_of(kind, name)
    check_id(name)
    found, normalised = _validated(kind, name, model, document)
    if found := found or list(_unknown_names({kind: {name: normalised}})):
        raise _refused(found)
    return normalised


def check_programme(version: int, documents: Mapping[str, Mapping[str, Document]]) -> Programme:
    """Compile documents that are to be published: as ``compile_programme``, and templates name only what there is.

    Raises:
        Invalid: with ``errors``, every problem of every document.
    """
    programme = compile_programme(version, documents)
    if found := list(_unknown_names(documents)):
        raise _refused(found)
    return programme


def compile_programme(
    version: int, documents: Mapping[str, Mapping[str, Document]], *, older: "Mapping[int, Programme]" = _NONE_OLDER
) -> Programme:
    """Check all documents and what they say of each other, and compile them; the same content is compiled once.

    Args:
        older: Versions that missions and journeys in progress may have begun with.

    Raises:
        Invalid: with ``errors``, every problem of every document.
    """
    key = (version, _digest(documents), tuple(older))
    if (cached := _compiled.get(key)) is None:
        cached = _compile(version, {kind: dict(named) for kind, named in documents.items() if named}, older)
        while len(_compiled) >= CACHE_MAX:
            del _compiled[next(iter(_compiled))]
        _compiled[key] = cached
    return cached


class ProgrammeVersions:
    """The compiled versions of one store, by number. Content never changes, so what was compiled stays true.

    A mission in progress keeps the version it began with: a version is compiled with those before it, the same ones
    in every process and at every replay.
    """

    def __init__(self, programmes: Programmes) -> None:
        self.stored = programmes
        self._compiled: dict[int, Programme] = {0: compile_programme(0, {})}

    def get(self, version: int) -> Programme | None:
        """Return a version that is in memory."""
        return self._compiled.get(version)

    async def ensure(self, version: int) -> Programme:
        """Return a version, read and compiled when it is not in memory; version 0 is the empty one.

        Raises:
            NotFound: there is no such version.
        """
        if (known := self._compiled.get(version)) is None:
            older: dict[int, Programme] = {}
            for number in range(max(1, version - OLDER_MAX), version):
                if (content := await self.stored.content(number)) is not None:
                    older[number] = compile_programme(number, content)
            content = await self.stored.content(version)
            if content is None:
                raise NotFound(f"there is no version {version} of the programme", code="version_not_found")
            known = compile_programme(version, content, older=older)
            while len(self._compiled) >= CACHE_MAX:
                del self._compiled[next(number for number in self._compiled if number)]
            self._compiled[version] = known
        return known

    async def live(self) -> Programme:
        """Return the live version; the empty one when nothing was ever published."""
        return await self.ensure(await self.stored.live_version())


_compiled: dict[tuple[int, bytes, tuple[int, ...]], Programme] = {}
_canonical = msgspec.json.Encoder(order="deterministic")


def _digest(documents: Mapping[str, Mapping[str, Document]]) -> bytes:
    return blake2b(_canonical.encode(documents), digest_size=16).digest()


def _compile(version: int, documents: Documents, older: Mapping[int, Programme]) -> Programme:
    errors = list(_document_problems(documents))
    if errors:  # references between documents that are not themselves sound would only repeat it
        raise _refused(errors)
    settings = documents.get("settings", {}).get("main", {})
    errors += [_problem(line) for line in crm.intake_config.conflicts(documents)]
    tone, wrong = _tone(documents)
    errors += wrong
    rules = tower = None
    try:
        rules = compile_rules(
            version,
            {"templates": {}, **documents},
            timezone=settings.get("timezone", "UTC"),
            older={number: programme.rules for number, programme in older.items()},
        )
    except InvalidProgramme as error:
        errors += [_problem(line) for line in error.errors]
    try:
        tower = compile_crm(version, documents, older={number: programme.crm for number, programme in older.items()})
    except InvalidCrm as error:  # both packages compile segments: what both say is said once
        errors += [found for line in error.errors if (found := _problem(line)) not in errors]
    if errors or rules is None or tower is None:
        raise _refused(errors)
    return Programme(version, rules, tower, Metrics(rules), _models(documents), tone)


def _models(documents: Documents) -> ModelPlan | None:
    document = documents.get("models", {}).get(ml.config.DOCUMENT)
    return None if document is None else compile_models(ModelsConfig.model_validate(document))


def _tone(documents: Documents) -> tuple[TonePlan | None, list[Problem]]:
    """Return how texts are read outside the turn, and what is wrong with that."""
    document = documents.get("models", {}).get(ml.tone_config.DOCUMENT)
    plan = compile_tone(ToneConfig.model_validate(document)) if document is not None else None
    if plan is None or documents.get("connectors", {}).get(plan.connector, {}).get("kind") in READERS:
        return plan, []
    detail = f"expected the id of a connector of the kind {' or '.join(READERS)}, got {plan.connector!r}"
    return plan, [{"document": f"models/{ml.tone_config.DOCUMENT}", "path": "endpoint", "detail": detail}]


def _unknown_names(documents: Mapping[str, Mapping[str, Document]]) -> Iterator[Problem]:
    for name, document in documents.get("templates", {}).items():
        for line in unknown_names(TemplateConfig.model_validate(document)):
            path, _, detail = line.partition(": ")
            yield {"document": f"templates/{name}", "path": path, "detail": detail}


def _document_problems(documents: Documents) -> Iterator[Problem]:
    for kind, named in sorted(documents.items()):
        try:
            check_kind(kind)
        except (Invalid, NotFound) as error:
            yield {"document": kind, "path": "", "detail": error.detail}
            continue
        for name, document in sorted(named.items()):
            if not _ID.fullmatch(name):
                yield {"document": f"{kind}/{name}", "path": "", "detail": "expected letters, digits, _ . - as the id"}
            yield from _validated(kind, name, _model_of(kind, name), document)[0]


def _validated(kind: str, name: str, model: type[BaseModel], document: object) -> tuple[list[Problem], Document]:
    try:
        read = model.model_validate(document)
    except ValidationError as error:
        return _without_echoes([_problem(line, f"{kind}/{name}") for line in problems(error)]), {}
    if name not in (known := SINGLE.get(kind, {name: model})):
        ids = " or ".join(map(repr, known))
        alone = ", the only one there is" if len(known) == 1 else ""
        problem = f"expected the id {ids}{alone}, got {name!r}"
        return [{"document": f"{kind}/{name}", "path": "", "detail": problem}], {}
    return [], read.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _without_echoes(found: list[Problem]) -> list[Problem]:
    """Leave out "too few items" of a list whose only fault is that one of its items is bad."""
    paths = [problem["path"] for problem in found]
    return [
        problem
        for problem in found
        if not (
            problem["detail"].startswith("Tuple should have at least")
            and any(path.startswith(problem["path"] + "[") for path in paths)
        )
    ]


def _problem(line: str, document: str = "") -> Problem:
    """Split "kind/id: path: problem", the form in which both packages name a problem."""
    if not document:
        head, separator, rest = line.partition(": ")
        document, line = (head, rest) if separator and "/" in head and " " not in head else ("", line)
    head, separator, rest = line.removeprefix(": ").partition(": ")
    path, problem = (head, rest) if separator and _PATH.fullmatch(head) else ("", line.removeprefix(": "))
    return {"document": document, "path": path, "detail": problem}


def _refused(errors: list[Problem]) -> Invalid:
    first = errors[0]
    where = " ".join(part for part in (first["document"], first["path"]) if part)
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return Invalid(f"{where}: {first['detail']}{more}" if where else f"{first['detail']}{more}", errors=errors)
