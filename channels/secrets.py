"""Read the secrets that connectors name."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

from crm.connectors import Secret

BYTES_MAX = 65_536

ReadSecret = Callable[[Secret], str]


_OWN_FILES = frozenset({"admin.key", "ingest.key", "token.secret", "ray.token"})  # the engine's, wherever they lie
_OWN_FOLDER = ("token.secret", "ray.token")  # where one of them lies is the engine's data directory
_KERNEL = ("/proc", "/sys", "/dev")


class SecretMissing(Exception):
    """A secret cannot be read. The connector counts as down until it is; the message never holds the secret."""


def read_secret(secret: Secret) -> str:
    """Return a secret from where it is, without white space around it.

    Raises:
        SecretMissing: with what was looked for, and why it was not there.
    """
    value = os.environ.get(secret.env) if secret.env else _from_file(secret)
    if value is None:
        raise SecretMissing(f"expected a secret in {secret}, which is not set")
    if not (value := value.strip()):
        raise SecretMissing(f"expected a secret in {secret}, which is empty")
    return value


def _is_engines(path: Path) -> bool:
    """Tell whether a file is the engine's, or the machine's."""
    if path.name in _OWN_FILES or str(path).startswith(tuple(f"{folder}/" for folder in _KERNEL)):
        return True
    return any((folder / name).exists() for folder in path.parents for name in _OWN_FOLDER)


def _from_file(secret: Secret) -> str:
    try:
        path = Path(os.path.realpath(secret.file or ""))  # where links lead
        if _is_engines(path):
            # Whoever writes connectors would read the engine's own keys, and be more than they are.
            raise SecretMissing(f"expected a secret of the connector's own in {secret}, which is one of the engine's")
        with path.open("rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise SecretMissing(f"expected a secret in {secret}, which is no plain file")
            data = file.read(BYTES_MAX + 1)
    except OSError as error:
        raise SecretMissing(f"expected a secret in {secret}: {error.strerror}") from None
    if len(data) > BYTES_MAX:
        raise SecretMissing(f"expected a secret in {secret}, which holds more than {BYTES_MAX} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise SecretMissing(f"expected text in {secret}, which is not UTF-8") from None
