"""Configuration documents as text: YAML in and out, read as JSON would have it."""

import re
from typing import Any

import yaml

Documents = dict[str, dict[str, dict[str, Any]]]  # kind -> id -> document


class _Loader(yaml.SafeLoader):
    """Safe YAML with the words of YAML 1.2: no dates, ``no`` is a language and not false, 21:00 is not 1260."""

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self._path: list[str] = []

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):  # a few lines of them unfold to gigabytes
            raise yaml.YAMLError("expected no aliases (*name)")
        self._path.append(str(index.value if isinstance(index, yaml.Node) else index))
        node = super().compose_node(parent, index)
        self._path.pop()
        return node

    def compose_mapping_node(self, anchor: Any) -> Any:
        node: Any = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:  # YAML would silently take the last
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in seen:
                path = ".".join([*self._path[1:], key.value])
                raise yaml.YAMLError(f"line {key.start_mark.line + 1}: {path}: expected each key once")
            seen.add(key.value)
        return node


_REPLACED = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:bool", "tag:yaml.org,2002:int")
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _REPLACED]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_REPLACED[1], re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
_Loader.add_implicit_resolver(_REPLACED[2], re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$"), list("-+0123456789"))


_QUOTED = re.compile(r"""(['"])(.*?)\1""")  # in a parser's message: one character, a token's kind, or any of the text
_SAFE = re.compile(r"\\?.|<[a-z ]+>|")


def from_yaml(text: str | bytes) -> Any:
    """Read one YAML document.

    Raises:
        yaml.YAMLError: it is not YAML, holds an alias, or a key twice.
    """
    loader = _Loader(text)
    try:
        return _with_string_keys(loader.get_single_data())
    except RecursionError as error:
        raise yaml.YAMLError("expected less nesting") from error
    except yaml.MarkedYAMLError as error:  # it quotes the line, where a secret may stand; so would a cause
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "some line"
        why = _QUOTED.sub(lambda quoted: quoted[0] if _SAFE.fullmatch(quoted[2]) else "...", error.problem or "")
        raise yaml.YAMLError(f"expected YAML, got something else at {where}{why and ': '}{why}") from None
    except (ValueError, TypeError) as error:  # a number of 5,000 digits, an unhashable key
        what = "numbers that can be read" if isinstance(error, ValueError) else "keys that are text"
        raise yaml.YAMLError(f"expected {what}") from None
    finally:
        loader.dispose()


def to_yaml(document: dict[str, Any]) -> str:
    """Return a document as YAML, its keys in their order."""
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)
    return text


def _with_string_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _with_string_keys(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_string_keys(item) for item in value]
    return value
