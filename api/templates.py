"""Templates for those who write them: what is wrong with one, and what a player would read."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, model_validator

from actors.programme import check_id, validate_document
from actors.variables import filled_in
from api.auth import Principal, require
from api.context import Context, Ctx
from api.pages import answers
from api.views import known_player, live_programme
from crm.config import TemplateConfig
from crm.preview import preview
from crm.templates import compile_template
from domain.errors import Forbidden, Invalid, NotFound
from domain.player import Profile, Snapshot

router = APIRouter(prefix="/v1/templates", tags=["Templates"])

Reader = Annotated[Principal, Depends(require("config:read"))]
Values = Annotated[dict[Annotated[str, Field(min_length=1, max_length=100)], Any], Field(max_length=50)]

_DOCUMENT: Any = {
    "channel": "sms",
    "title": {"en": "Code"},
    "body": {"en": "Your code is {{ code }}"},
    "variables": ["code"],
}
_PREVIEW = {
    "template": "code",
    "source": "draft",
    "channel": "sms",
    "language": {"title": "en", "body": "en", "why": "player_locale", "locale": "en-GB"},
    "tone": {"picked": None, "why": "base"},
    "content": {"title": "Code", "body": "Your code is 4711"},
    "contents": {"sms": {"text": "Your code is 4711"}, "push": {"title": "Code", "body": "Your code is 4711"}},
    "languages": {
        "en": {
            "title": "Code",
            "body": "Your code is 4711",
            "action": None,
            "empty": [],
            "errors": {},
            "characters": {"title": 4, "body": 17},
            "sms": {"encoding": "gsm7", "units": 17, "segments": 1, "outside_gsm7": None},
        }
    },
}
_CHECKED = {
    "ok": False,
    "errors": [
        {
            "document": "templates/code",
            "path": "body",
            "detail": "en: line 1: there is no 'plyer', did you mean 'player'?",
        }
    ],
}


class PreviewBody(BaseModel):
    """For whom a template is filled in: a player, or a sample of the variables; the draft's text, or another one."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"player_id": "amelia", "variables": {"code": "4711"}}}
    )

    player_id: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    sample: Values | None = None
    locale: Annotated[str, Field(max_length=35)] | None = None
    tone: Annotated[str, Field(max_length=40)] | None = None
    variables: Values = {}
    document: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _one_reader(self) -> "PreviewBody":
        if self.player_id is not None and self.sample is not None:
            raise ValueError("expected either `player_id` or `sample`")
        return self


class CheckBody(BaseModel):
    """A template that somebody is writing."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"id": "code", "document": _DOCUMENT}})

    id: Annotated[str, Field(min_length=1, max_length=100)] = "unsaved"
    document: dict[str, Any]


@router.post(
    "/check",
    summary="Check a template without saving it",
    description="The same checks as when it is written to the draft: Liquid, filters, and every name it uses.",
    responses=answers(_CHECKED, 400, 401, 403, 422),
)
async def check_template(body: CheckBody, _: Reader) -> dict[str, Any]:
    try:
        validate_document("templates", body.id, body.document)
    except Invalid as invalid:
        return {"ok": False, "errors": invalid.extra.get("errors", [])}
    return {"ok": True, "errors": []}


@router.post(
    "/{id}/preview",
    summary="What a player would read",
    description="Fills in `document` when it is given, else the draft's template, else the live one; nothing is "
    "sent or kept. `content` is what in-app would show and `contents` what other channels would send, in the language "
    "and tone that `language` and `tone` explain; where a link will be signed stands `#unsubscribe` and the like. "
    "`languages` shows all of them. `empty` are names that had no value.",
    responses=answers(_PREVIEW, 400, 401, 403, 404, 422, 503),
)
async def preview_template(id: str, body: PreviewBody, context: Ctx, caller: Reader) -> dict[str, Any]:
    if body.player_id is not None and not caller.may("players:read"):
        raise Forbidden("a preview for a player needs a server key with scope players:read", scope="players:read")
    document, source = await _document(context, check_id(id), body.document)
    template = compile_template(id, TemplateConfig.model_validate(document))
    programme, now = await live_programme(context), context.clock.now_ms()
    snapshot = await known_player(context, body.player_id) if body.player_id else _sampled(body)
    given = dict(body.variables) | ({"tone": body.tone} if body.tone else {})
    variables = _with_sample(filled_in(template, given, (programme, snapshot, now, None)), body.sample or {})
    locale = body.locale if body.locale is not None else snapshot.profile.locale
    # In a thread: what an editor tries may use up its whole allowance in every language.
    shown = await asyncio.to_thread(
        preview, template, locale=locale, fallback_locale=programme.crm.locale, variables=variables
    )
    return {"template": id, "source": source, **shown}


async def _document(context: Context, name: str, unsaved: dict[str, Any] | None) -> tuple[dict[str, Any], str]:
    if unsaved is not None:
        return validate_document("templates", name, unsaved), "document"
    if stored := await context.programmes.get("templates", name):
        return stored.document, "draft"
    _version, live = await context.programmes.current()
    if (document := live.get("templates", {}).get(name)) is not None:
        return document, "live"
    raise NotFound(f"there is no template {name[:100]!r}, neither in the draft nor live", code="template_not_found")


def _sampled(body: PreviewBody) -> Snapshot:
    """Return the player of a sample: nobody, with the sample's traits, so that a tone and a zone are found."""
    player = (body.sample or {}).get("player")
    player = player if isinstance(player, dict) else {}
    traits = player.get("traits")
    zone, locale = (str(player.get(name) or "")[:100] for name in ("timezone", "locale"))
    profile = Profile(traits=traits if isinstance(traits, dict) else {}, timezone=zone, locale=locale)
    return Snapshot(str(player.get("id") or "sample")[:255], profile=profile)


def _with_sample(variables: dict[str, Any], sample: dict[str, Any]) -> dict[str, Any]:
    """Lay a sample over the computed variables; of ``player`` part by part."""
    player = variables.get("player")
    if isinstance(player, dict) and isinstance(sample.get("player"), dict):
        sample = sample | {"player": player | sample["player"]}
    return variables | sample
