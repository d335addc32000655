"""Configuration documents and the life of a programme: draft, diff, publish, roll back (docs/programme.md).

A write goes to the draft. Publishing checks the draft as a whole, stores it as a version that never changes, and
tells every partition; the answer comes when all of them run it.
"""

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
import yaml
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from actors.clock import new_id
from actors.programme import KINDS, SINGLE, check_id, check_kind, check_programme, compile_programme, validate_document
from api.auth import Principal, require
from api.context import Context, Ctx
from api.idempotency import TAKEN
from api.pages import Cursor, Limit, answers, instant, page, page_by_name, wait_of
from api.views import compiled
from crm.schedule import REVIEW, opened
from domain.errors import BadRequest, Forbidden, Invalid, NotFound, PreconditionFailed, TooLarge
from store.announcing import Passed
from store.documents import Documents, from_yaml
from store.programmes import EtagMismatch, Stored, digest

router = APIRouter(prefix="/v1", tags=["Configuration"])

BODY_BYTES_MAX = 1_000_000
PASS_WITHIN_S = 10.0
_MISSION = {"name": {"en": "Ten bets"}, "tasks": [{"id": "bets", "event": "bet_placed", "count": 10}]}
_STORED = {"kind": "missions", "id": "ten-bets", "etag": "5d41402abc4b2a76", "document": _MISSION}
_PUBLISHED = {"version": 8, "published": True, "passed": 32, "of": 32, "review": "review:8"}

Reader = Annotated[Principal, Depends(require("config:read"))]
Writer = Annotated[Principal, Depends(require("config:write"))]
ProgrammeReader = Annotated[Principal, Depends(require("programme:read"))]
Publisher = Annotated[Principal, Depends(require("programme:publish"))]
IfMatch = Annotated[str | None, Header(alias="If-Match", description="The ETag the document must have, or `*`.")]
IfNoneMatch = Annotated[str | None, Header(alias="If-None-Match")]
IdempotencyKey = Annotated[str | None, Header(alias="Idempotency-Key", max_length=255, description=TAKEN)]
Direct = Annotated[bool, Query(description="Publish this change at once too; the rest of the draft stays a draft.")]
Prefer = Annotated[str | None, Header(alias="Prefer", description="`wait=<seconds>` for all partitions to run it.")]


class PublishBody(BaseModel):
    """What is remembered of a publish."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"note": "weekend missions"}})

    note: Annotated[str, Field(max_length=500)] = ""


class RollbackBody(BaseModel):
    """Which version's content to publish again."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"version": 7}})

    version: Annotated[int, Field(ge=1)]
    note: Annotated[str, Field(max_length=500)] = ""


# --- documents ---


@router.get(
    "/config/{kind}",
    summary="List the draft's documents of a kind",
    responses=answers({"items": [_STORED], "next": None}, 401, 403, 404, 422),
)
async def list_documents(
    kind: str, context: Ctx, _: Reader, limit: Limit = 100, cursor: Cursor = None
) -> dict[str, Any]:
    check_kind(kind)
    found = await context.programmes.documents_of(kind)
    items, following = page_by_name(found, lambda item: item.id, limit, cursor)
    return page([_shown(item) for item in items], following)


@router.get(
    "/config/{kind}/{id}",
    summary="Read a document of the draft",
    responses=answers(_STORED, 401, 403, 404, 422, also={304: None}),
)
async def read_document(kind: str, id: str, context: Ctx, _: Reader, if_none_match: IfNoneMatch = None) -> Response:
    check_kind(kind)
    stored = await context.programmes.get(kind, check_id(id))
    if stored is None:
        raise NotFound(f"there is no {kind}/{id} in the draft")
    headers = {"ETag": f'"{stored.etag}"'}
    if if_none_match and _etag(if_none_match) in (stored.etag, "*"):
        return Response(status_code=304, headers=headers)
    return JSONResponse(_shown(stored), headers=headers)


@router.put(
    "/config/{kind}/{id}",
    summary="Write a document to the draft (JSON or YAML)",
    description="Checked by itself at once; references to other documents are checked when the draft is published.",
    responses=answers(_STORED, 400, 401, 403, 404, 412, 413, 422, also={201: _STORED}),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"type": "object"}, "example": _MISSION},
                "application/yaml": {"schema": {"type": "string"}, "example": "name: {en: Ten bets}\ntasks: [...]\n"},
            },
        }
    },
)
async def write_document(
    kind: str,
    id: str,
    request: Request,
    context: Ctx,
    caller: Writer,
    direct: Direct = False,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
    prefer: Prefer = None,
) -> Response:
    check_kind(kind)
    document = validate_document(kind, id, await _body(request))
    if direct:
        _may_publish(caller)
    expected = _expected(if_match, if_none_match)
    before = await context.programmes.get(kind, id)
    published = None
    if direct:
        async with context.programmes.alone():
            content = await _live_with(context, kind, id, document)
            etag = await _put(context, kind, id, document, expected)
            published = await _publish(context, content, new_id(), caller, f"{kind}/{id}")
    else:
        etag = await _put(context, kind, id, document, expected)
    shown = _shown(Stored(kind, id, etag, document))
    if published:
        shown |= {"version": published, **_passing(await _wait(context, published, prefer))}
    return JSONResponse(shown, status_code=200 if before else 201, headers={"ETag": f'"{etag}"'})


@router.delete(
    "/config/{kind}/{id}",
    summary="Remove a document from the draft",
    status_code=204,
    responses=answers(None, 401, 403, 404, 412, 422, ok=204),
)
async def delete_document(
    kind: str,
    id: str,
    context: Ctx,
    caller: Writer,
    direct: Direct = False,
    if_match: IfMatch = None,
    prefer: Prefer = None,
) -> Response:
    check_kind(kind)
    check_id(id)
    if direct:
        _may_publish(caller)
        async with context.programmes.alone():
            content = await _live_with(context, kind, id, None)
            await _delete(context, kind, id, if_match)
            version = await _publish(context, content, new_id(), caller, f"{kind}/{id} deleted")
        await _wait(context, version, prefer)
    else:
        await _delete(context, kind, id, if_match)
    return Response(status_code=204)


# --- the programme ---


@router.get(
    "/programme",
    summary="The live programme, and whether the draft differs",
    responses=answers(
        {
            "version": 7,
            "published_at": "2026-11-22T09:00:00.000Z",
            "by": "key_1",
            "note": "",
            "content_of": None,
            "documents": None,
            "counts": {"missions": 30},
            "draft_differs": True,
            "passed": 32,
            "of": 32,
        },
        401,
        403,
    ),
)
async def read_programme(
    context: Ctx,
    _: ProgrammeReader,
    content: Annotated[bool, Query(description="With all documents of the live version.")] = False,
) -> dict[str, Any]:
    programmes = context.programmes
    version, documents = await programmes.current()
    info = next((one for one in await programmes.versions() if one.version == version), None)
    return {
        "version": version,
        "published_at": instant(info.at) if info else None,
        "by": info.by if info else None,
        "note": info.note if info else "",
        "content_of": (info.content_of or None) if info else None,
        "documents": documents if content else None,
        "counts": {kind: len(named) for kind, named in sorted(documents.items()) if named},
        "draft_differs": digest(await programmes.draft()) != digest(documents),
        **_passing(await programmes.passed(version)),
    }


@router.get(
    "/programme/draft",
    summary="The whole draft",
    responses=answers({"base": 7, "documents": {"missions": {"ten-bets": _MISSION}}}, 401, 403),
)
async def read_draft(context: Ctx, _: ProgrammeReader) -> dict[str, Any]:
    return {"base": await context.programmes.live_version(), "documents": await context.programmes.draft()}


@router.delete(
    "/programme/draft",
    summary="Throw the draft's changes away: it equals the live programme again",
    status_code=204,
    responses=answers(None, 401, 403, ok=204),
)
async def discard_draft(context: Ctx, _: Writer) -> Response:
    async with context.programmes.alone():
        _version, documents = await context.programmes.current()
        await context.programmes.reset_draft(documents)
    return Response(status_code=204)


@router.get(
    "/programme/diff",
    summary="What publishing the draft would change",
    responses=answers(
        {
            "version": 7,
            "added": ["missions/ten-bets"],
            "removed": [],
            "changed": [{"document": "currencies/gems", "before": {}, "after": {"allow_negative": True}}],
            "errors": [],
        },
        401,
        403,
    ),
)
async def read_diff(context: Ctx, _: ProgrammeReader) -> dict[str, Any]:
    version, live = await context.programmes.current()
    draft = await context.programmes.draft()
    before, after = _flat(live), _flat(draft)
    errors: list[Any] = []
    try:
        check_programme(version + 1, draft)
    except Invalid as invalid:
        errors = invalid.extra.get("errors", [])
    return {
        "version": version,
        "added": sorted(after.keys() - before.keys()),
        "removed": sorted(before.keys() - after.keys()),
        "changed": [
            {"document": name, "before": before[name], "after": after[name]}
            for name in sorted(before.keys() & after.keys())
            if before[name] != after[name]
        ],
        "errors": errors,
    }


@router.post(
    "/programme/publish",
    summary="Make the draft live",
    description="Answers 200 when every partition runs the new version, and 202 when some do not yet: they will, the "
    "version is in every partition's log. A draft that equals the live programme makes no new version. `review` names "
    "the walk that judges all players when segments changed; `GET /v1/segments` tells how far it is.",
    responses=answers(_PUBLISHED, 400, 401, 403, 422, 503, also={202: {**_PUBLISHED, "passed": 12}}),
)
async def publish(
    context: Ctx,
    caller: Publisher,
    body: PublishBody | None = None,
    prefer: Prefer = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    programmes = context.programmes
    async with programmes.alone():
        version = await programmes.version_of(f"publish:{idempotency_key}") if idempotency_key else 0
        made = not version
        if version:
            await programmes.tell(version)
        else:
            draft = await programmes.draft()
            version, live = await programmes.current()
            made = not version or digest(draft) != digest(live)
            if made:
                key = f"publish:{idempotency_key or new_id()}"
                version = await _publish(context, draft, key, caller, body.note if body else "")
    return _published(version, made, await _wait(context, version, prefer), await _review(context, version, made))


@router.post(
    "/programme/rollback",
    summary="Publish the content of an earlier version again, as a new version",
    description="The draft follows when it has no changes of its own; `draft_differs` of `GET /v1/programme` tells.",
    responses=answers(_PUBLISHED, 401, 403, 404, 422, 503, also={202: {**_PUBLISHED, "passed": 12}}),
)
async def roll_back(
    body: RollbackBody,
    context: Ctx,
    caller: Publisher,
    prefer: Prefer = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    programmes = context.programmes
    content = await programmes.content(body.version)
    if content is None:
        raise NotFound(f"there is no version {body.version} of the programme", code="version_not_found")
    async with programmes.alone():
        version = await programmes.version_of(f"rollback:{idempotency_key}") if idempotency_key else 0
        made = not version
        if version:
            await programmes.tell(version)
        else:
            version, live = await programmes.current()
            made = digest(content) != digest(live)
            if made:
                follows = digest(await programmes.draft()) == digest(live)
                key = f"rollback:{idempotency_key or new_id()}"
                note = body.note or f"roll back to {body.version}"
                version = await _publish(context, content, key, caller, note, content_of=body.version)
                if follows:
                    await programmes.reset_draft(content)
    return _published(version, made, await _wait(context, version, prefer), await _review(context, version, made))


@router.get(
    "/programme/versions",
    summary="All versions, newest first",
    responses=answers(
        {
            "items": [
                {
                    "version": 7,
                    "published_at": "2026-11-22T09:00:00.000Z",
                    "by": "key_1",
                    "note": "",
                    "content_of": None,
                    "live": True,
                }
            ],
            "next": None,
        },
        401,
        403,
    ),
)
async def list_versions(context: Ctx, _: ProgrammeReader, limit: Limit = 100, cursor: Cursor = None) -> dict[str, Any]:
    live = await context.programmes.live_version()
    found = await context.programmes.versions()
    items, following = page_by_name(found, lambda info: f"{10**9 - info.version:010}", limit, cursor)
    return page(
        [
            {
                "version": info.version,
                "published_at": instant(info.at),
                "by": info.by,
                "note": info.note,
                "content_of": info.content_of or None,
                "live": info.version == live,
            }
            for info in items
        ],
        following,
    )


@router.get(
    "/programme/versions/{version}",
    summary="The content of a version",
    responses=answers({"version": 7, "documents": {"missions": {"ten-bets": _MISSION}}}, 401, 403, 404),
)
async def read_version(version: int, context: Ctx, _: ProgrammeReader) -> dict[str, Any]:
    content = await context.programmes.content(version)
    if content is None:
        raise NotFound(f"there is no version {version} of the programme", code="version_not_found")
    return {"version": version, "documents": content}


@router.get(
    "/programme/kinds",
    summary="The kinds of configuration and their JSON Schemas",
    responses=answers({"items": [{"kind": "missions", "schema": {"type": "object"}}], "next": None}, 401, 403),
)
async def list_kinds(_: ProgrammeReader) -> dict[str, Any]:
    return page(list(_schemas()))


# --- below ---


def _schemas() -> Iterator[dict[str, Any]]:
    for kind, model in sorted(KINDS.items()):
        ids = SINGLE.get(kind, {})
        if len(ids) > 1:
            yield from ({"kind": kind, "id": id_, "schema": ids[id_].model_json_schema()} for id_ in sorted(ids))
        else:
            yield {"kind": kind, "schema": model.model_json_schema()}


def _may_publish(caller: Principal) -> None:
    if not caller.may("programme:publish"):
        raise Forbidden("direct=true needs a server key with scope programme:publish", scope="programme:publish")


def _shown(stored: Stored) -> dict[str, Any]:
    return {"kind": stored.kind, "id": stored.id, "etag": stored.etag, "document": stored.document}


def _flat(documents: Documents) -> dict[str, dict[str, Any]]:
    return {f"{kind}/{name}": document for kind, named in documents.items() for name, document in named.items()}


async def _body(request: Request) -> Any:
    """Read the body as YAML or JSON, by its Content-Type."""
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > BODY_BYTES_MAX:
        raise TooLarge(f"expected a document of at most {BODY_BYTES_MAX} bytes, got {length}")
    data = await request.body()
    if len(data) > BODY_BYTES_MAX:
        raise TooLarge(f"expected a document of at most {BODY_BYTES_MAX} bytes, got {len(data)}")
    is_yaml = "yaml" in request.headers.get("content-type", "")
    try:
        return from_yaml(data) if is_yaml else msgspec.json.decode(data)
    except (yaml.YAMLError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        said = " ".join(str(error).split())[:300]
        raise BadRequest(f"expected {'YAML' if is_yaml else 'JSON'}: {said}", code="malformed") from error


def _etag(value: str) -> str:
    return value.strip().removeprefix("W/").strip('"')


def _expected(if_match: str | None, if_none_match: str | None) -> str:
    """Return what the draft is to compare with: an ETag, "*" any, "-" none, "" whatever is there."""
    if if_match:
        return _etag(if_match)
    if if_none_match:
        if if_none_match.strip() != "*":
            raise BadRequest(f"expected If-None-Match: * on a write, got {if_none_match[:60]!r}")
        return "-"
    return ""


async def _put(context: Context, kind: str, name: str, document: dict[str, Any], expected: str) -> str:
    try:
        return await context.programmes.put(kind, name, document, expected=expected)
    except EtagMismatch as mismatch:
        raise _mismatch(kind, name, expected, mismatch.current) from mismatch


async def _delete(context: Context, kind: str, name: str, if_match: str | None) -> None:
    expected = _expected(if_match, None) or "*"
    try:
        await context.programmes.delete(kind, name, expected=expected)
    except EtagMismatch as mismatch:
        if not mismatch.current:
            raise NotFound(f"there is no {kind}/{name} in the draft") from mismatch
        raise _mismatch(kind, name, expected, mismatch.current) from mismatch


def _mismatch(kind: str, name: str, expected: str, current: str) -> PreconditionFailed:
    wanted = "no such document" if expected == "-" else "a document" if expected == "*" else f"the etag {expected!r}"
    return PreconditionFailed(
        f"{kind}/{name}: expected {wanted}, got {f'the etag {current!r}' if current else 'no document'}",
        current_etag=current or None,
    )


async def _live_with(context: Context, kind: str, name: str, document: dict[str, Any] | None) -> Documents:
    """Return the live content with one document replaced or removed, validated as a whole."""
    version, live = await context.programmes.current()
    content = {**live, kind: {**live.get(kind, {})}}
    if document is None:
        content[kind].pop(name, None)
    else:
        content[kind][name] = document
    check_programme(version + 1, content)
    return content


async def _publish(
    context: Context, documents: Documents, key: str, caller: Principal, note: str, content_of: int = 0
) -> int:
    """Check the whole and publish it; nothing is stored when it is not valid."""
    # going back must always be possible, also to templates that name what a later release refuses
    check = compile_programme if content_of else check_programme
    check(await context.programmes.live_version() + 1, documents)
    version = await context.programmes.publish(
        documents, key, at=context.clock.now_ms(), by=caller.id, note=note, content_of=content_of
    )
    await context.programme.refresh()
    return version


async def _review(context: Context, version: int, made: bool) -> str | None:
    """Return the walk that judges all players under the segments of a version just made; None when they are as before.

    The partitions ask the same function when they pass the version.
    """
    if not made:
        return None
    before, after = await compiled(context).ensure(version - 1), await compiled(context).ensure(version)
    walks = opened(before.crm, after.crm, context.clock.now_ms()).walks
    return next((walk.id for walk in walks if walk.kind == REVIEW), None)


async def _wait(context: Context, version: int, prefer: str | None) -> Passed:
    return await context.programmes.wait_passed(version, wait_of(prefer, PASS_WITHIN_S))


def _passing(passed: Passed) -> dict[str, int]:
    return {"passed": passed.passed, "of": passed.of}


def _published(version: int, made: bool, passed: Passed, review: str | None) -> Response:
    answer = {"version": version, "published": made, **_passing(passed)} | ({"review": review} if review else {})
    if passed.all:
        return JSONResponse(answer)
    return JSONResponse(
        answer, status_code=202, headers={"Retry-After": "1"}
    )  # not the last word: asked again it tells
