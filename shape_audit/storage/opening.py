"""A URL -> the store that it means."""

from __future__ import annotations

from shape_audit.places import Url
from shape_audit.storage.store import Store


def opened(url: Url) -> Store:
    """The folder of a URL; nothing is asked of it yet.

    Raises:
        UsageError: a URL that names no such place.
        MissingExtraError: the package of its protocol is not installed.
    """
    if url.protocol == "hf":
        from shape_audit.storage.hub_dataset import HubDataset

        return HubDataset(url)
    from shape_audit.storage.objects import ObjectStore

    return ObjectStore.at(url)
