"""The application: routers, problem documents, CORS, and the context that lives with it."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from api import (
    asyncapi,
    boards,
    budgets,
    campaigns,
    cases,
    channels,
    choices,
    cloudevents,
    commands,
    configuration,
    dead_letters,
    devices,
    digest,
    draws,
    duplicates,
    game,
    game_reads,
    habits,
    hooks,
    intake,
    journeys,
    keys,
    links,
    messages,
    models,
    operations,
    placements,
    player_choices,
    player_journeys,
    players,
    preferences,
    problems,
    reports,
    reviews,
    schemas,
    segments,
    socket,
    templates,
    tokens,
    trace,
    watch,
    why,
)
from api.context import opened
from api.idempotency import REPLAYED
from api.limits import BodyLimits
from api.once import Once, document_keys
from api.settings import Settings

ROUTERS = (
    intake,
    cloudevents,
    schemas,
    trace,
    dead_letters,
    tokens,
    keys,
    configuration,
    players,
    player_journeys,
    player_choices,
    segments,
    journeys,
    choices,
    duplicates,
    commands,
    game,
    game_reads,
    boards,
    budgets,
    draws,
    messages,
    models,
    operations,
    campaigns,
    templates,
    links,
    preferences,
    devices,
    hooks,
    placements,
    reports,
    reviews,
    cases,
    channels,
    why,
    watch,
    digest,
    habits,
    asyncapi,
)
STATIC = Path(__file__).parent / "static"
HEADERS_IN = ("Authorization", "Content-Type", "X-Retry-Count", "Prefer", "Idempotency-Key", "If-Match")
HEADERS_OUT = ("ETag", "Retry-After", "Preference-Applied", REPLAYED)
# of the live page and the lobby: nothing but their own files, and sockets
PAGE_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self' ws: wss:; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def create_app(settings: Settings) -> FastAPI:
    """Return the gateway's application; its lifespan waits for the store."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with opened(settings) as context:
            app.state.context = context
            yield

    app = FastAPI(title="Playtower", version="0.1.0", lifespan=lifespan, redirect_slashes=False)
    problems.install(app)
    app.add_middleware(Once)
    app.add_middleware(BodyLimits, most=settings.max_body, timeout_s=settings.body_timeout_s)
    app.add_middleware(intake.FastIntake)  # with bounds of its own
    app.add_middleware(
        CORSMiddleware,
        allow_origins=list(settings.cors_origins),
        allow_methods=["GET", "POST", "PUT", "DELETE"],
        allow_headers=list(HEADERS_IN),
        expose_headers=list(HEADERS_OUT),
        max_age=600,
    )
    for module in ROUTERS:
        app.include_router(module.router)
    app.router.routes.append(socket.route)
    app.router.routes += console_routes()
    _say_who_may_ask(app)
    return app


def _say_who_may_ask(app: FastAPI) -> None:
    """Let the OpenAPI document name the credentials of each operation that may answer 401."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        document = made()
        document_keys(document)
        schemes = document.setdefault("components", {}).setdefault("securitySchemes", {})
        schemes["bearer"] = {"type": "http", "scheme": "bearer", "description": "An API key, or a player's token"}
        schemes["basic"] = {"type": "http", "scheme": "basic", "description": "An API key as the user, no password"}
        for methods in document["paths"].values():
            for operation in methods.values():
                if "401" in operation["responses"]:
                    open_too: list[dict[str, Any]] = (
                        [{}] if any(one["name"] == "t" for one in operation.get("parameters", ())) else []
                    )
                    operation["security"] = [{"bearer": []}, {"basic": []}, *open_too]
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def console_routes() -> list[Route]:
    """Return a route for each file of the live page and the lobby; anything else stays a 404 with a problem."""

    def route(path: str, file: Path) -> Route:
        async def page(_request: Request) -> Response:
            return FileResponse(file, headers=PAGE_HEADERS)

        return Route(path, page, include_in_schema=False)

    files = [route(f"/{file.name}", file) for file in sorted(STATIC.iterdir()) if file.is_file()]
    return [route("/", STATIC / "index.html"), route("/lobby", STATIC / "lobby.html"), *files]
