"""``Idempotency-Key``: required where asking twice would do twice; ``api.once`` takes it wherever something changes."""

from typing import Annotated

from fastapi import Depends, Header

from api.masks import check_id
from domain.errors import BadRequest

REPLAYED = "Idempotency-Replayed"  # header of an answer that was given before
REQUIRED = "Required. The same key, within a day, is answered the same again; with another body it is 409."
TAKEN = "Optional here: the call says what is to be, so twice is once. With a key the first answer is given again."


def required_key(idempotency_key: Annotated[str | None, Header(description=REQUIRED)] = None) -> str:
    """Return the request's idempotency key.

    Raises:
        BadRequest: there is none, or it cannot be an id.
    """
    if not idempotency_key:
        raise BadRequest("expected an Idempotency-Key header", code="idempotency_key_required")
    check_id(idempotency_key, "Idempotency-Key")
    return idempotency_key


IdempotencyKey = Annotated[str, Depends(required_key)]
