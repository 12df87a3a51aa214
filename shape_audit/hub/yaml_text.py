"""YAML of a model's repository: plain data, of a size that its text can be seen to have.

Without aliases and merge keys: with them half a kilobyte stands for gigabytes, and no model card needs them. Without
numbers that no measurement has: `0x` and a thousand digits can be read, and not be written again.
"""

from __future__ import annotations

from typing import Any

from shape_audit.errors import CorruptFileError

LONGEST_TEXT = 2**20
"""Bytes of a card or a file of results."""
MOST_NODES = 300_000
DEEPEST = 50
LONGEST_NUMBER = 40


def parse_yaml(text: str, *, file: str) -> Any:
    """The one document of a text.

    Raises:
        CorruptFileError: no YAML, too large or too deep for what it should be, or it has aliases or merge keys.
    """
    import yaml

    if len(text) > LONGEST_TEXT:
        raise CorruptFileError(f"{file}: too large for what it should be ({len(text):,} characters)")
    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    loader: Any = type("_Loader", (base,), {})
    for kind in ("int", "float"):
        plain = base.yaml_constructors[f"tag:yaml.org,2002:{kind}"]
        loader.add_constructor(f"tag:yaml.org,2002:{kind}", lambda one, node, plain=plain: _number(one, node, plain))
    try:
        _check(yaml.parse(text, Loader=base), file)
        return yaml.load(text, Loader=loader)
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        raise CorruptFileError(f"{file}: not valid YAML") from error


def _number(loader: Any, node: Any, plain: Any) -> Any:
    if len(node.value) > LONGEST_NUMBER:
        raise ValueError("a number of too many digits")
    return plain(loader, node)


def _check(events: Any, file: str) -> None:
    """Look through a text before anything is made of it.

    Raises:
        CorruptFileError: see `parse_yaml`.
    """
    import yaml

    depth = 0
    for number, event in enumerate(events):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if isinstance(event, yaml.AliasEvent):
            raise CorruptFileError(f"{file}: YAML with aliases, which are not followed")
        if isinstance(event, yaml.ScalarEvent) and event.value == "<<" and event.implicit[0]:
            raise CorruptFileError(f"{file}: YAML with merge keys, which are not followed")
        if depth > DEEPEST or number > MOST_NODES:
            raise CorruptFileError(f"{file}: too large for what it should be")
