"""Where uploaded large files lie until a commit names them, and after: by their SHA-256, as in LFS."""

import hashlib
from threading import Lock

from tests.loopback_hub.hub_error import HubError


class LfsStore:
    """Contents by hash, of all repositories together."""

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}
        self._lock = Lock()

    def put(self, sha256: str, content: bytes) -> None:
        """Keep `content`.

        Raises:
            HubError: 400 where it has not this hash, as the storage behind the Hub answers.
        """
        if hashlib.sha256(content).hexdigest() != sha256:
            raise HubError(400, None, "The content does not have the announced SHA-256")
        with self._lock:
            self._objects[sha256] = content

    def get(self, sha256: str) -> bytes | None:
        """The content, where it was uploaded."""
        with self._lock:
            return self._objects.get(sha256)
