"""Rows of a dataset, as data: `datasets` reads files of known formats, and no loading script."""

from __future__ import annotations

from typing import Any


def dataset_configs(name: str, revision: str) -> list[str]:
    """The configs that a dataset has at a commit."""
    import datasets

    return list(datasets.get_dataset_config_names(name, revision=revision))


def dataset_splits(name: str, config: str, revision: str) -> list[str]:
    """The splits that a config of a dataset has at a commit."""
    import datasets

    return list(datasets.get_dataset_split_names(name, config, revision=revision))


def rows_of_dataset(name: str, config: str | None = None, **settings: Any) -> Any:
    """The dataset of `datasets`.

    Args:
        settings: of `datasets.load_dataset`: split, revision, streaming.

    Raises:
        Whatever `datasets` raises.
    """
    import datasets

    return datasets.load_dataset(name, config, **settings, trust_remote_code=False)
