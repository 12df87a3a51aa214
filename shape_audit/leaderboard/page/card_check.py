"""Whether the Hub will take a dataset card, and whether the files it names are there: asked before anything is sent."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from fnmatch import fnmatchcase
from typing import Any

from shape_audit.errors import CorruptFileError
from shape_audit.hub import parse_yaml


def check_dataset_card(content: bytes, *, file: str, paths: Collection[str]) -> None:
    """Parse the card as huggingface_hub does.

    Args:
        file: for messages.
        paths: of the files that go beside it.

    Raises:
        CorruptFileError: it is not UTF-8, has no metadata or such as huggingface_hub cannot read, or its `configs`
            name a file that does not go with it.
    """
    import yaml
    from huggingface_hub import DatasetCard
    from huggingface_hub.repocard import REGEX_YAML_BLOCK

    try:
        text = content.decode("utf-8-sig")
        block = REGEX_YAML_BLOCK.search(text)
        if block is None:  # DatasetCard would only log it
            raise CorruptFileError(f"{file}: no metadata (a YAML header between lines of ---)")
        parse_yaml(block[2], file=file)  # with our bounds, which DatasetCard has not
        metadata = DatasetCard(text).data.to_dict()
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CorruptFileError(f"{file}: its metadata cannot be read ({reason})") from error
    if not metadata:
        raise CorruptFileError(f"{file}: no metadata (a YAML header between lines of ---)")
    for named in _data_files(metadata.get("configs")):
        if not any(fnmatchcase(path, named) for path in paths):
            raise CorruptFileError(f"{file}: its configs name {named}, which is not in the folder")


def _data_files(configs: Any) -> Iterator[str]:
    """Paths and patterns of a card's `configs`, whichever of the allowed forms each has."""
    for config in configs if isinstance(configs, list) else []:
        data_files = config.get("data_files") if isinstance(config, dict) else None
        for entry in data_files if isinstance(data_files, list) else [data_files]:
            paths = entry.get("path") if isinstance(entry, dict) else entry
            yield from (path for path in (paths if isinstance(paths, list) else [paths]) if isinstance(path, str))
