"""The application: routers, problem documents, CORS, and the context that lives with it."""

import contextlib
import importlib
from collections.abc import AsyncIterator

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from api import cloudevents, dead_letters, intake, keys, problems, socket, tokens, trace
from api.context import opened
from api.settings import Settings

OTHERS = ("configuration", "players", "messages", "operations")  # each has a ``router``
HEADERS_IN = ("Authorization", "Content-Type", "X-Retry-Count", "Prefer", "Idempotency-Key", "If-Match")
HEADERS_OUT = ("ETag", "Retry-After", "Preference-Applied")


def create_app(settings: Settings) -> FastAPI:
    """Return the gateway's application; its lifespan waits for the store."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with opened(settings) as context:
            app.state.context = context
            yield

    app = FastAPI(title="Playtower", version="0.1.0", lifespan=lifespan, redirect_slashes=False)
    problems.install(app)
    app.add_middleware(intake.FastIntake)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=list(settings.cors_origins),
        allow_methods=["GET", "POST", "PUT", "DELETE"],
        allow_headers=list(HEADERS_IN),
        expose_headers=list(HEADERS_OUT),
        max_age=600,
    )
    for module in (intake, cloudevents, trace, dead_letters, tokens, keys):
        app.include_router(module.router)
    app.router.routes.append(socket.route)
    for name in OTHERS:
        _include(app, f"api.{name}")
    return app


def _include(app: FastAPI, name: str) -> None:
    """Include a module's router; a part that is not installed is left out."""
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return
    app.include_router(module.router)
