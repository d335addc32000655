"""``playtower diff`` and ``playtower export``: a folder of configuration beside what is live, and written from it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from msgspec import Struct

from playtower.terminal import DataDir, Json, Url, fail, out, print_json

if TYPE_CHECKING:
    from store.documents import Documents

URL = "http://127.0.0.1:8000"
Folder = Annotated[Path, typer.Argument(help="A folder with {kind}/{id}.yaml files.", file_okay=False)]
Draft = Annotated[bool, typer.Option("--draft", help="The draft instead of what is live.")]


class Difference(Struct, frozen=True):
    """What ``apply`` would do: names ``kind/id``."""

    added: list[str]  # only in the folder
    changed: list[str]
    removed: list[str]  # only in the programme; ``apply --prune`` deletes them

    @property
    def is_none(self) -> bool:
        return not (self.added or self.changed or self.removed)


def difference(files: "Documents", programme: "Documents") -> Difference:
    """Compare documents of a folder, as they are stored, with those of a programme.

    Raises:
        Invalid, NotFound: a file is no document of its kind.
    """
    from actors.programme import validate_document

    ours = {f"{kind}/{i}": validate_document(kind, i, doc) for kind, named in files.items() for i, doc in named.items()}
    theirs = {f"{kind}/{i}": doc for kind, named in programme.items() for i, doc in named.items()}
    return Difference(
        sorted(ours.keys() - theirs.keys()),
        sorted(name for name in ours.keys() & theirs.keys() if ours[name] != theirs[name]),
        sorted(theirs.keys() - ours.keys()),
    )


def diff(
    directory: Folder, url: Url = URL, data_dir: DataDir = None, draft: Draft = False, as_json: Json = False
) -> None:
    """Compare a folder of configuration with what is live. Exit 1 when they differ."""
    import msgspec

    from domain.errors import EngineError
    from playtower.programme_files import UnreadableProgramme, read_programme

    version, programme = _programme(url, data_dir, draft)
    try:
        found = difference(read_programme(directory), programme)
    except UnreadableProgramme as error:
        raise fail("\n  ".join(["files that are no documents", *error.problems]), 2) from error
    except EngineError as error:
        raise fail(error.detail, 2) from error
    for sign, colour, names in (
        ("+", "green", found.added),
        ("~", "yellow", found.changed),
        ("-", "red", found.removed),
    ):
        for name in names:
            out.print(f"[{colour}]{sign}[/{colour}] {name}")
    if found.is_none:
        out.print(f"the same as version {version}" if version else "the same as the draft")
    print_json(as_json, {"same": found.is_none, "version": version, **msgspec.to_builtins(found)})
    raise typer.Exit(0 if found.is_none else 1)


def export(
    directory: Folder,
    url: Url = URL,
    data_dir: DataDir = None,
    draft: Draft = False,
    prune: Annotated[bool, typer.Option(help="Delete files of documents that are not in the programme.")] = False,
    as_json: Json = False,
) -> None:
    """Write what is live to a folder, a file each; ``apply`` of it changes nothing."""
    from playtower.programme_files import export_programme

    version, programme = _programme(url, data_dir, draft)
    written, deleted = export_programme(directory, programme, prune=prune)
    out.print(f"{len(written)} documents written to {directory}, {len(deleted)} files deleted")
    print_json(as_json, {"version": version, "written": len(written), "deleted": len(deleted)})


def _programme(url: str, data_dir: Path | None, draft: bool) -> tuple[int, Any]:
    """Return the version and its documents; version 0 for the draft."""
    from playtower.client import Client, ClientError, admin_key

    try:
        with Client(admin_key(data_dir), url) as client:
            return (0, client.draft()) if draft else client.live()
    except ClientError as error:
        raise fail("\n  ".join(error.lines()), 2) from error
