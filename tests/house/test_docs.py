"""The documents say what is there: commands, files, dependencies, examples; and not where they were written."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

ROOT = Path(__file__).parents[2]
TEXTS = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])

_CODE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_COMMAND = re.compile(r"(?:^|[\s`(/])playtower ((?!0)[a-z]+(?:-[a-z]+)*)(?: ([a-z]+))?")
_FILE = re.compile(
    r"`((?:actors|api|channels|crm|domain|gamification|playtower|store|examples|tests)/[\w./-]+\.(?:py|lua|yaml|md|parquet))`"
)
_DOCUMENT = re.compile(r"\A# ([a-z-]+)/([\w-]+)\n")
SOURCES = (".py", ".lua", ".js", ".html", ".css", ".md", ".yaml", ".toml")
WORKPLACE = "/" + "work/"  # not spelled out, so that this file may hold it
_PAPER = re.compile(
    r"\b(?:DESIGN|STYLE|CONTRACT|MISSION)(?:\.md| \d|,? section)| \((?:DESIGN|STYLE|CONTRACT|MISSION)[,:)]"
    r"|\breliability [A-Z]?\d|\bresearch(?:/| [A-Z]\d)|\bissue #?\d"
)
_PAGE = re.compile(r"(?<![\w/])docs/[\w/-]+(?:\.md)?")
HOSTS = re.compile(r"(?:pypi|pythonhosted|npmjs|debian)\.(?:org|com|net)", re.IGNORECASE)


def blocks(text: str) -> list[tuple[str, str]]:
    return _CODE.findall(text)


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def test_the_readme_opens_with_the_two_commands() -> None:
    text = read(ROOT / "README.md")
    language, code = blocks(text)[0]
    assert language == "sh"
    assert [line.split("#")[0].strip() for line in code.splitlines()] == ["make run", "make test"]
    assert text.index(code) < 100, "something stands before them"


def test_the_makefile_has_the_two_commands() -> None:
    targets = re.findall(r"^([a-z-]+):", read(ROOT / "Makefile"), re.MULTILINE)
    assert {"run", "test", "install", "check"} <= set(targets)


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_relative_link_leads_somewhere(path: Path) -> None:
    for target in _LINK.findall(read(path)):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, anchor = target.partition("#")
        linked = (path.parent / name).resolve() if name else path
        assert linked.exists(), f"{path.name} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", read(linked), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", h).strip().lower().replace(" ", "-") for h in headings}, target


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_file_a_document_names_is_there(path: Path) -> None:
    for name in _FILE.findall(read(path)):
        assert (ROOT / name).exists(), f"{path.name} names {name}"


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_command_a_document_names_exists(path: Path) -> None:
    from playtower.cli import app

    root: Any = typer.main.get_command(app)
    text = read(path)
    code = [code for _, code in blocks(text)] + re.findall(r"`([^`\n]+)`", _CODE.sub("", text))
    for piece in code:
        for name, sub in _COMMAND.findall(piece):
            assert name in root.commands, f"{path.name} names playtower {name}"
            if sub and hasattr(root.commands[name], "commands"):
                assert sub in root.commands[name].commands, f"{path.name} names playtower {name} {sub}"


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_option_a_document_gives_to_a_command_exists(path: Path) -> None:
    from playtower.cli import app

    root: Any = typer.main.get_command(app)
    for _, code in blocks(read(path)):
        for line in code.splitlines():
            found = re.search(r"playtower ([a-z]+)(.*)", line.split("#")[0])
            if found and found[1] in root.commands:
                command = root.commands[found[1]]
                nested = getattr(command, "commands", {"": command})
                known = {option for one in nested.values() for p in one.params for option in p.opts}
                assert set(re.findall(r"(?<=\s)--[a-z-]+", found[2])) <= known, line


def test_the_options_of_serve_are_documented() -> None:
    from playtower.cli import app

    root: Any = typer.main.get_command(app)
    text = read(ROOT / "docs/operations.md")
    options = [option for param in root.commands["serve"].params for option in param.opts]
    assert [option for option in options if f"`{option}`" not in text and f"`{option}`," not in text] == []


def test_every_direct_dependency_is_explained() -> None:
    names = set(direct_dependencies())
    explained = set(re.findall(r"^\| `([\w.-]+)` \|", read(ROOT / "docs/dependencies.md"), re.MULTILINE))
    assert names - explained == set(), "not explained"
    assert explained - names == set(), "explained, and not there"


def test_every_direct_dependency_is_pinned() -> None:
    names = {normal(name) for name in direct_dependencies()}
    lines = [line for line in read(ROOT / "constraints.txt").splitlines() if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.+!]+", line) for line in lines)
    assert names - {normal(line.split("==")[0]) for line in lines} == set()


def direct_dependencies() -> list[str]:
    """Return what the project asks for by name, extras too; extras of its own are no packages."""
    project = tomllib.loads(read(ROOT / "pyproject.toml"))["project"]
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    names = [re.split(r"[<>=!~\[ ]", requirement)[0] for requirement in wanted]
    return [name for name in names if name != "playtower"]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_documents_of_the_programme_page_make_a_programme() -> None:
    from actors.programme import compile_programme

    documents: dict[str, dict[str, Any]] = {}
    for language, code in blocks(read(ROOT / "docs/programme.md")):
        if language == "yaml":
            named = _DOCUMENT.match(code)
            assert named, f"no document: {code[:40]}"
            documents.setdefault(named[1], {})[named[2]] = yaml.safe_load(code)
    assert len(documents) == 10
    compile_programme(1, documents)


def test_the_condition_of_the_programme_page_is_one() -> None:
    from domain.conditions import validate_condition

    code = next(code for language, code in blocks(read(ROOT / "docs/programme.md")) if language == "json")
    validate_condition(yaml.safe_load(code), "where")


def test_the_map_of_the_replay_page_is_one() -> None:
    from playtower.replay_map import ReplayMap

    code = next(code for language, code in blocks(read(ROOT / "docs/replay.md")) if language == "yaml")
    ReplayMap.model_validate(yaml.safe_load(code))


def test_no_file_names_the_place_it_was_made_at() -> None:
    named = []
    for path in tracked():
        if path == Path(__file__):
            continue
        text = path.read_bytes().decode("utf-8", errors="replace")
        if WORKPLACE in text or HOSTS.search(text):
            named.append(path.relative_to(ROOT).as_posix())
    assert named == []


def test_no_file_refers_to_a_paper_that_is_not_here() -> None:
    """Notes of those who wrote it are not shipped: who reads the code has docs/, with the decisions in docs/adr."""
    found = [
        f"{name}:{number} says {match[0].strip()!r}; name the page in docs/ that says why, or give the reason itself"
        for name, number, line in lines_of(*SOURCES)
        for match in _PAPER.finditer(line)
    ]
    assert found == [], "\n".join(found)


def test_every_page_that_code_names_is_there() -> None:
    found = [
        f"{name}:{number} names {page}, which is not there"
        for name, number, line in lines_of(*SOURCES)
        if not name.endswith(".md")  # their links are looked at above
        for page in _PAGE.findall(line)
        if not (ROOT / page).exists() and not list((ROOT / page).parent.glob(Path(page).name + "-*.md"))
    ]
    assert found == [], "\n".join(found)


def lines_of(*suffixes: str) -> Iterator[tuple[str, int, str]]:
    for path in tracked():
        if path.suffix in suffixes and path != Path(__file__):
            name = path.relative_to(ROOT).as_posix()
            yield from ((name, number, line) for number, line in enumerate(read(path).splitlines(), 1))


def test_the_licence_is_whole() -> None:
    text = read(ROOT / "LICENSE")
    assert "Apache License" in text[:200]
    assert "END OF TERMS AND CONDITIONS" in text
    assert "BSD-3-Clause" in read(ROOT / "NOTICE")


@pytest.mark.parametrize("page", ["campaigns", "channels", "choices", "events", "templates", "tower"])
def test_the_documents_of_a_page_pass_the_checks_of_a_write(page: str) -> None:
    from actors.programme import validate_document
    from store.documents import from_yaml

    named = [
        (_DOCUMENT.match(code), code) for language, code in blocks(read(ROOT / f"docs/{page}.md")) if language == "yaml"
    ]
    assert named
    for heading, code in named:
        assert heading, f"no document: {code[:40]}"
        validate_document(heading[1], heading[2], from_yaml(code))
