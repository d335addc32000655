"""Ids of message requests: each names the partition that it is kept in."""

import re

_REQUEST_ID = re.compile(r"req_([0-9a-f]{1,4})_[0-9a-f]{8,64}")


def request_partition(request_id: str, partitions: int) -> int | None:
    """Return the partition that a request's id names, None when it is no such id."""
    found = _REQUEST_ID.fullmatch(request_id)
    partition = int(found[1], 16) if found else partitions
    return partition if partition < partitions else None
