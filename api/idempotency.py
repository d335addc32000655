"""``Idempotency-Key``: required where asking twice must not do twice."""

from typing import Annotated

from fastapi import Depends, Header

from api.masks import check_id
from domain.errors import BadRequest


def required_key(idempotency_key: Annotated[str | None, Header()] = None) -> str:
    """Return the request's idempotency key.

    Raises:
        BadRequest: there is none, or it cannot be an id.
    """
    if not idempotency_key:
        raise BadRequest("expected an Idempotency-Key header", code="idempotency_key_required")
    check_id(idempotency_key, "Idempotency-Key")
    return idempotency_key


IdempotencyKey = Annotated[str, Depends(required_key)]
