"""The HTTP client that commands of the command line use against a running gateway."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx
from msgspec import Struct

from playtower.programme_files import read_programme
from store.documents import Documents

DEFAULT_URL = "http://127.0.0.1:8000"
ADMIN_KEY_ENV = "PLAYTOWER_ADMIN_KEY"
ADMIN_KEY_FILE = "admin.key"  # in the data directory
PUBLISH_WAIT_S = 10

Progress = Callable[[str], None]


class ClientError(Exception):
    """The gateway refused, or was not there. ``problem`` is its problem document, {} when it gave none."""

    def __init__(self, message: str, *, status: int = 0, problem: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.problem = dict(problem or {})

    @property
    def code(self) -> str:
        return str(self.problem.get("code", ""))

    def lines(self) -> list[str]:
        """Return the message and every single error, one a line, for a terminal."""
        return [str(self), *(_error_line(error) for error in self.problem.get("errors", ()))]


class Applied(Struct, frozen=True):
    """What ``apply`` did."""

    written: int  # documents that were new or changed
    unchanged: int
    deleted: int
    version: int  # live afterwards
    published: bool  # False: the live programme already said all this
    passed: int  # partitions that run it
    of: int


def admin_key(data_dir: Path | None = None) -> str:
    """Return the admin key: of the environment, else of the data directory's file.

    Raises:
        ClientError: there is neither.
    """
    if key := os.environ.get(ADMIN_KEY_ENV, "").strip():
        return key
    path = data_dir / ADMIN_KEY_FILE if data_dir else None
    if path and path.is_file():
        return path.read_text(encoding="utf-8").strip()
    raise ClientError(f"expected an admin key in {ADMIN_KEY_ENV}" + (f" or {path}" if path else ""))


class Client:
    """One gateway and one key. Errors are ``ClientError`` with the gateway's own words.

    Args:
        transport: For tests: an application instead of an address.
    """

    def __init__(
        self, key: str, url: str = DEFAULT_URL, *, timeout_s: float = 30.0, transport: httpx.BaseTransport | None = None
    ) -> None:
        self.url = url.rstrip("/")
        self._http = httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {key}"}, timeout=timeout_s, transport=transport
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Ask the gateway; the answer, when it is a good one.

        Raises:
            ClientError: it could not be reached, or answered 400 or more.
        """
        try:
            answer = self._http.request(method, path, **options)
        except httpx.TransportError as error:
            raise ClientError(f"no answer from {self.url} ({error}); is `playtower serve` running?") from error
        if answer.status_code >= 400:
            raise _refusal(answer)
        return answer

    def get(self, path: str, **params: Any) -> Any:
        """Return the JSON that a GET answers."""
        return self.request("GET", path, params=params).json()

    def pages(self, path: str) -> list[dict[str, Any]]:
        """Return all items of a list, page by page."""
        items: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = self.get(path, limit=100, **({"cursor": cursor} if cursor else {}))
            items += page["items"]
            cursor = page["next"]
            if cursor is None:
                return items

    def draft(self) -> Documents:
        """Return the draft's documents."""
        documents: Documents = self.get("/v1/programme/draft")["documents"]
        return documents

    def live(self) -> tuple[int, Documents]:
        """Return the live version and its documents."""
        answer = self.get("/v1/programme", content="true")
        return answer["version"], answer["documents"]

    def put(self, kind: str, name: str, document: Mapping[str, Any]) -> str:
        """Write a document to the draft; its ETag."""
        answer = self.request("PUT", _path(kind, name), json=document)
        return str(answer.headers["ETag"])

    def delete(self, kind: str, name: str) -> None:
        """Remove a document from the draft."""
        self.request("DELETE", _path(kind, name))

    def publish(self, note: str = "") -> dict[str, Any]:
        """Publish the draft; ``version``, ``passed`` and ``of``."""
        answer: dict[str, Any] = self.request(
            "POST", "/v1/programme/publish", json={"note": note}, headers={"Prefer": f"wait={PUBLISH_WAIT_S}"}
        ).json()
        return answer


def apply_directory(
    client: Client, directory: Path, *, prune: bool = False, note: str = "", progress: Progress = lambda _line: None
) -> Applied:
    """Write all documents of a directory to the draft and publish it.

    Documents that are not files stay, unless ``prune``. Every document is tried before the first refusal is raised,
    so one run shows all that is wrong; nothing is published then.

    Raises:
        ClientError: the gateway refused a document or the whole.
        UnreadableProgramme: a file is not a document.
    """
    documents = read_programme(directory)
    before = client.draft()
    refused: list[tuple[str, ClientError]] = []
    for kind, name, document in _each(documents):
        try:
            client.put(kind, name, document)
            progress(f"{kind}/{name}")
        except ClientError as error:
            if error.status != 422:
                raise
            refused.append((f"{kind}/{name}", error))
    if refused:
        raise _all_of(refused)
    vanished = [(k, n) for k, n, _ in _each(before) if n not in documents.get(k, {})] if prune else []
    for kind, name in vanished:
        client.delete(kind, name)
        progress(f"{kind}/{name} deleted")
    after = client.draft()
    written = sum(before.get(kind, {}).get(name) != document for kind, name, document in _each(after))
    answer = client.publish(note)
    progress(f"version {answer['version']}")
    return Applied(
        written=written,
        unchanged=sum(len(named) for named in after.values()) - written,
        deleted=len(vanished),
        version=answer["version"],
        published=answer["published"],
        passed=answer["passed"],
        of=answer["of"],
    )


def _each(documents: Documents) -> list[tuple[str, str, dict[str, Any]]]:
    return [(kind, name, doc) for kind, named in sorted(documents.items()) for name, doc in sorted(named.items())]


def _path(kind: str, name: str) -> str:
    return f"/v1/config/{quote(kind, safe='')}/{quote(name, safe='')}"


def _refusal(answer: httpx.Response) -> ClientError:
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    said = problem.get("detail") or problem.get("title") or answer.text[:200] or answer.reason_phrase
    return ClientError(f"{said} (HTTP {answer.status_code})", status=answer.status_code, problem=problem)


def _all_of(refused: list[tuple[str, ClientError]]) -> ClientError:
    errors = [
        error
        for document, refusal in refused
        for error in refusal.problem.get("errors") or [{"document": document, "path": "", "detail": str(refusal)}]
    ]
    count = f"{len(refused)} document{'s were' if len(refused) > 1 else ' was'}"
    return ClientError(
        f"{count} refused, nothing was published", status=422, problem={"code": "invalid", "errors": errors}
    )


def _error_line(error: Any) -> str:
    if not isinstance(error, dict):
        return str(error)
    where = " ".join(part for part in (error.get("document"), error.get("path")) if part)
    return f"{where}: {error.get('detail', '')}" if where else str(error.get("detail", error))
