"""Models: artefacts by version, which one scores, and back again (docs/models.md).

An artefact is what ``playtower train`` writes. It is checked when it comes and never changed; to publish is a step of
its own, and any version may be published again, so going back is publishing.
"""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from actors.clock import new_id
from actors.models import shipped, shipped_bytes
from api.auth import Principal, require
from api.configuration import IdempotencyKey, Prefer
from api.context import Context, Ctx
from api.pages import Cursor, Limit, answers, instant, page, page_by_name, wait_of
from domain.errors import Conflict, NotFound, TooLarge
from ml.net import describe, load
from store.models import BYTES_MAX, SHIPPED, ModelInfo, Models, Publication

router = APIRouter(prefix="/v1/models", tags=["Models"])

PASS_WITHIN_S = 10.0
Reader = Annotated[Principal, Depends(require("programme:read"))]
Publisher = Annotated[Principal, Depends(require("programme:publish"))]
Note = Annotated[str, Query(max_length=500, description="Why, kept with the version.")]

_MODEL = {
    "version": 3,
    "at": "2026-11-22T09:00:00.000Z",
    "by": "key_1",
    "note": "with October",
    "size": 61234,
    "live": True,
    "model": {
        "name": "churn",
        "version": 3,
        "checksum": "5d41402abc4b2a76b9719d911017c592",
        "heads": [{"name": "churn_14d", "kind": "logit", "days": 14}],
        "features": ["recency", "tenure"],
        "trust": 1.0,
        "lifetime": ["next_purchase_days", "ltv_90d"],
        "origin": {"source": "archive", "players": 12000, "metrics": {"churn_14d": {"roc_auc": 0.86}}},
    },
}
_LIVE = {
    "version": 3,
    "number": 5,
    "at": "2026-11-22T09:00:00.000Z",
    "by": "key_1",
    "note": "",
    "passed": 32,
    "of": 32,
}


class PublishModelBody(BaseModel):
    """What is remembered of a publication."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"note": "better on October's players"}})

    note: Annotated[str, Field(max_length=500)] = ""


@router.get(
    "",
    summary="All versions, newest first; the last one ships with the package",
    responses=answers({"items": [_MODEL], "next": None}, 401, 403),
)
async def list_models(context: Ctx, _: Reader, limit: Limit = 50, cursor: Cursor = None) -> dict[str, Any]:
    models = _models(context)
    live = (await models.live()).version
    found = [*await models.versions(), ModelInfo(SHIPPED)]
    items, following = page_by_name(found, lambda info: f"{10**9 - info.version:010}", limit, cursor)
    return page([_shown(info, live) for info in items], following)


@router.get("/live", summary="The model that scores", responses=answers(_LIVE, 401, 403))
async def read_live(context: Ctx, _: Reader) -> dict[str, Any]:
    models = _models(context)
    return await _publication(models, await models.live())


@router.get(
    "/publications",
    summary="Which version scored from when on, newest first",
    responses=answers({"items": [{**_LIVE, "live": True}], "next": None}, 401, 403),
)
async def list_publications(context: Ctx, _: Reader, limit: Limit = 50, cursor: Cursor = None) -> dict[str, Any]:
    models = _models(context)
    live = (await models.live()).number
    found = await models.publications()
    items, following = page_by_name(found, lambda one: f"{10**9 - one.number:010}", limit, cursor)
    return page([_told(one) | {"live": one.number == live} for one in items], following)


@router.post(
    "",
    status_code=201,
    summary="Keep an artefact as the next version",
    description="The body is what `playtower train` wrote. It is refused when its checksum does not fit, or when it "
    "reads features that this release does not compute. `publish=true` has it score at once.",
    responses=answers(_MODEL, 401, 403, 413, 422, 503, ok=201),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"type": "object"}, "example": {"format": 1, "name": "churn"}}},
        }
    },
)
async def keep_model(
    request: Request,
    context: Ctx,
    caller: Publisher,
    note: Note = "",
    publish: Annotated[bool, Query(description="Publish it too.")] = False,
    prefer: Prefer = None,
    idempotency_key: IdempotencyKey = None,
) -> JSONResponse:
    artefact = await request.body()
    if len(artefact) > BYTES_MAX:
        raise TooLarge(f"expected a model of at most {BYTES_MAX} bytes, got {len(artefact)}")
    about = describe(load(artefact))
    now, key = context.clock.now_ms(), idempotency_key or new_id()
    models = _models(context)
    info = ModelInfo(0, now, caller.id, note, about["checksum"], len(artefact), about)
    version = await models.put(artefact, f"model:{key}", info)
    published = {}
    if publish:
        made = await models.publish(version, f"model:{key}", at=now, by=caller.id, note=note)
        published = {"publication": await _publication(models, made, prefer)}
    kept = next((one for one in await models.versions() if one.version == version), ModelInfo(version))
    return JSONResponse(_shown(kept, (await models.live()).version) | published, status_code=201)


@router.post(
    "/rollback",
    summary="Publish again what scored before",
    responses=answers(_LIVE, 401, 403, 409, 503, also={202: {**_LIVE, "passed": 12}}),
)
async def roll_back(
    context: Ctx,
    caller: Publisher,
    body: PublishModelBody | None = None,
    prefer: Prefer = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    models = _models(context)
    live, past = await models.live(), await models.publications()
    earlier = next((one.version for one in past if one.number < live.number and one.version != live.version), SHIPPED)
    if earlier == live.version:
        raise Conflict("no other model has ever scored here", code="nothing_before")
    note = body.note if body and body.note else f"roll back from {live.version}"
    return await _publish(context, earlier, caller, note, prefer, idempotency_key)


@router.get("/{version}", summary="A version", responses=answers(_MODEL, 401, 403, 404))
async def read_model(version: int, context: Ctx, _: Reader) -> dict[str, Any]:
    models = _models(context)
    infos = [ModelInfo(SHIPPED), *await models.versions()]
    info = next((one for one in infos if one.version == version), None)
    if info is None:
        raise _unknown(version)
    return _shown(info, (await models.live()).version)


@router.get(
    "/{version}/artefact",
    summary="The artefact, byte for byte",
    response_class=Response,
    responses=answers({"format": 1, "name": "churn"}, 401, 403, 404),
)
async def read_artefact(version: int, context: Ctx, _: Reader) -> Response:
    data = shipped_bytes() if version == SHIPPED else await _models(context).artefact(version)
    if data is None:
        raise _unknown(version)
    return Response(data, media_type="application/json")


@router.post(
    "/{version}/publish",
    summary="Have a version score from here on",
    description="Takes effect at one entry of each partition's log: turns before it used the other model, turns after "
    "it this one. 200 when all partitions have come to it, 202 when some have not yet. Version 0 is the package's own.",
    responses=answers(_LIVE, 401, 403, 404, 422, 503, also={202: {**_LIVE, "passed": 12}}),
)
async def publish_model(
    version: int,
    context: Ctx,
    caller: Publisher,
    body: PublishModelBody | None = None,
    prefer: Prefer = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    return await _publish(context, version, caller, body.note if body else "", prefer, idempotency_key)


async def _publish(
    context: Context, version: int, caller: Principal, note: str, prefer: str | None, idempotency_key: str | None
) -> Response:
    models = _models(context)
    if version != SHIPPED:
        data = await models.artefact(version)
        if data is None:
            raise _unknown(version)
        load(data)  # what cannot be used here must not stop anybody's scores
    key = f"publish:{idempotency_key or new_id()}"
    made = await models.publish(version, key, at=context.clock.now_ms(), by=caller.id, note=note)
    answer = await _publication(models, made, prefer)
    if answer["passed"] >= answer["of"]:
        return JSONResponse(answer)
    return JSONResponse(
        answer, status_code=202, headers={"Retry-After": "1"}
    )  # not the last word: asked again it tells


async def _publication(models: Models, made: Publication, prefer: str | None = None) -> dict[str, Any]:
    passed = await models.wait_passed(made.number, wait_of(prefer, PASS_WITHIN_S))
    return _told(made) | {"passed": passed.passed, "of": passed.of}


def _told(made: Publication) -> dict[str, Any]:
    return {
        "version": made.version,
        "number": made.number,
        "at": instant(made.at),
        "by": made.by or None,
        "note": made.note,
    }


def _shown(info: ModelInfo, live: int) -> dict[str, Any]:
    if info.version == SHIPPED:
        info = msgspec.structs.replace(info, note="ships with the package", about=describe(shipped()))
    return {
        "version": info.version,
        "at": instant(info.at),
        "by": info.by or None,
        "note": info.note,
        "size": info.size or None,
        "live": info.version == live,
        "model": info.about | {"version": info.version},
    }


def _models(context: Context) -> Models:
    return Models(context.redis, context.intake)


def _unknown(version: int) -> NotFound:
    return NotFound(f"there is no version {version} of the model", code="version_not_found")
