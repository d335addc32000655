"""Bodies of requests that are not our JSON: read to a bound, whatever their content type."""

from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from domain.errors import BadRequest, TooLarge

FIELDS_MAX = 200


async def read_body(request: Request, most: int) -> bytes:
    """Return the body.

    Raises:
        TooLarge: it is longer than ``most`` bytes; the rest is not read.
    """
    read = bytearray()
    try:
        async for chunk in request.stream():
            read += chunk
            if len(read) > most:
                raise TooLarge(f"expected a body of at most {most} bytes", code="too_large")
    except ClientDisconnect as error:
        raise BadRequest("the body ended early") from error
    return bytes(read)


def form_of(body: bytes) -> dict[str, list[str]]:
    """Return the fields of a form, those of other content none: nothing here can be malformed."""
    found: dict[str, list[str]] = {}
    text = body.decode("utf-8", errors="replace")
    try:
        for name, value in parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MAX):
            found.setdefault(name, []).append(value)
    except ValueError:  # more fields than any form of ours has
        return {}
    return found
