"""Fields of an event that a configuration document names: ``properties.amount``, ``context.locale``."""

from domain.entries import Event

Keys = tuple[str, ...]  # ("properties", "amount")


def check_path(path: str) -> str:
    """Return the path if it is one.

    Raises:
        ValueError: it names neither a property nor something of the context.
    """
    root, *keys = path.split(".")
    if root not in ("properties", "context") or not keys or not all(keys):
        raise ValueError(f"expected properties.<name> or context.<name>, got {path!r}")
    return path


def keys_of(path: str | None) -> Keys:
    """Return a checked path as it is walked; empty for none."""
    return tuple(path.split(".")) if path else ()


def field_value(event: Event, keys: Keys) -> object:
    """Return the value at a path of the event, None when there is none."""
    if len(keys) == 2 and keys[0] == "properties":  # nearly every rule
        return event.properties.get(keys[1])
    value: object = event.properties if keys[0] == "properties" else event.context
    for key in keys[1:]:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value
