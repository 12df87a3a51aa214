"""What can be done with a folder elsewhere; one implementation a kind of place."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from threading import Event
from typing import Protocol

from shape_audit.places import Url


@dataclass(frozen=True)
class Listed:
    """A file as a listing has it.

    Attributes:
        size: bytes; None where the listing does not say.
        version: changes whenever the content does, and is one of `Store.versions` of it where the place names files by
            their hash; None where the listing does not say.
    """

    size: int | None
    version: str | None


class Store(Protocol):
    """A folder elsewhere.

    What a library raises comes as it is, but for what only the kind of place can explain.

    Attributes:
        identity: the URL, and what else tells this folder from others of that URL: whose Hub, whose service.
        pause: seconds to leave between two writes.
    """

    url: Url
    identity: str
    pause: float

    def check_writable(self) -> None:
        """Say early, as far as that can be asked without writing, what `write` would say late.

        Raises:
            IncompleteError: nothing can be written there.
        """

    def listing(self) -> dict[str, Listed]:
        """Path in the folder -> file, as things are now: all of them, or an error; none where there is no folder.

        Raises:
            IncompleteError: there is no such bucket or repository, or it cannot be read.
        """

    def read(self, path: str, listed: Listed, stop: Event) -> bytes:
        """A file of the listing, or what has taken its place since.

        Args:
            stop: once set, nobody waits for it.
        """

    def write(self, files: Mapping[str, bytes], gone: Iterable[str] = ()) -> None:
        """Write files and remove others. A reader finds each file as it was or as it is now, never a part of it; of
        two writers of a file, the last one has it.

        Raises:
            IncompleteError: it could not be done; some files may be written then, each of them whole.
        """

    def versions(self, content: bytes) -> Collection[str]:
        """What `Listed.version` may be of a file with this content; nothing where that cannot be told."""
