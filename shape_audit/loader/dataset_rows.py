"""Rows of a dataset, as data: `datasets` reads files of known formats, and no loading script."""

from __future__ import annotations

from typing import Any

from shape_audit.loader.empty_folder import in_empty_folder
from shape_audit.loader.own_files import only_own_files


def dataset_configs(name: str, revision: str) -> list[str]:
    """The configs that a dataset has at a commit."""
    import datasets

    with in_empty_folder(), only_own_files():
        return list(datasets.get_dataset_config_names(name, revision=revision))


def dataset_splits(name: str, config: str, revision: str) -> list[str]:
    """The splits that a config of a dataset has at a commit."""
    import datasets

    with in_empty_folder(), only_own_files():
        return list(datasets.get_dataset_split_names(name, config, revision=revision))


def rows_of_dataset(name: str, config: str | None = None, **settings: Any) -> Any:
    """The dataset of `datasets`: of the Hub or its cache, never a folder of the same name here.

    Args:
        name: org/name, or the absolute path of a folder.
        settings: of `datasets.load_dataset`: split, revision, streaming.

    Raises:
        Whatever `datasets` raises.
    """
    import datasets

    with in_empty_folder(), only_own_files():
        return datasets.load_dataset(name, config, **settings, trust_remote_code=False)
