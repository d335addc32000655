"""What a caller gives along to a journey or campaign, and how much of it a walk keeps."""

from typing import Any

import msgspec

from crm.journeys.entering import DATA_BYTES_MAX, kept_data


def fitting(data: dict[str, Any]) -> dict[str, Any]:
    """Return the data when a walk keeps all of it.

    Raises:
        ValueError: it is too large, or holds a number that no log entry can.
    """
    try:
        msgspec.msgpack.encode(data)
    except OverflowError as error:
        raise ValueError("expected integers within 64 bits") from error
    if left_out := kept_data(data)[1]:
        raise ValueError(f"expected at most {DATA_BYTES_MAX} bytes of JSON, got more by {', '.join(left_out)[:100]}")
    return data
