"""A programme as files: ``<directory>/{kind}/{id}.yaml``, one document a file (docs/programme.md)."""

from pathlib import Path
from typing import Any

import yaml

from store.documents import Documents, from_yaml, to_yaml

SUFFIXES = (".yaml", ".yml", ".json")  # JSON is YAML
FILE_BYTES_MAX = 1_000_000


class UnreadableProgramme(Exception):
    """Files that are not documents; ``problems`` has one line a file."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def read_programme(directory: Path) -> Documents:
    """Read every document of a directory. Hidden files and folders are left alone.

    Raises:
        UnreadableProgramme: naming every file that is not YAML, not a mapping, or said twice.
    """
    if not directory.is_dir():
        raise UnreadableProgramme([f"{directory}: expected a directory"])
    documents: Documents = {}
    problems: list[str] = []
    for path in sorted(directory.glob("*/*")):
        if not _is_document(path):
            continue
        try:
            document = _read(path)
        except (OSError, TypeError, ValueError, yaml.YAMLError) as error:
            problems.append(f"{path}: {' '.join(str(error).split())}")
            continue
        if path.stem in documents.setdefault(path.parent.name, {}):
            problems.append(f"{path}: expected one file for a document, got a second one")
        documents[path.parent.name][path.stem] = document
    if problems:
        raise UnreadableProgramme(problems)
    return {kind: named for kind, named in documents.items() if named}


def write_programme(directory: Path, documents: Documents) -> list[Path]:
    """Write every document to its file, in the order of its keys; other files stay. Return the files written."""
    written = []
    for kind, named in sorted(documents.items()):
        for name, document in sorted(named.items()):
            path = directory / kind / f"{name}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(to_yaml(document), encoding="utf-8")
            written.append(path)
    return written


def export_programme(directory: Path, documents: Documents, *, prune: bool = False) -> tuple[list[Path], list[Path]]:
    """Write every document to its file; a second file of a document, in another spelling, goes.

    Args:
        prune: Delete the files of all other documents too.

    Returns:
        The files written, and those deleted.
    """
    before = [path for path in directory.glob("*/*") if _is_document(path)]
    written = write_programme(directory, documents)
    named = {(path.parent.name, path.stem) for path in written}
    deleted = [path for path in before if path not in written and (prune or (path.parent.name, path.stem) in named)]
    for path in deleted:
        path.unlink()
    return written, deleted


def _is_document(path: Path) -> bool:
    return path.suffix in SUFFIXES and not path.name.startswith(".") and not path.parent.name.startswith(".")


def _read(path: Path) -> dict[str, Any]:
    if path.stat().st_size > FILE_BYTES_MAX:
        raise ValueError(f"expected at most {FILE_BYTES_MAX} bytes")
    document = from_yaml(path.read_bytes())
    if not isinstance(document, dict):
        raise TypeError(f"expected a mapping, got {type(document).__name__}")
    return document
