"""What clients asked and what they got, for tests that count requests and bytes."""

from dataclasses import dataclass, replace
from threading import Lock


@dataclass(frozen=True)
class Request:
    """One request and its outcome.

    Attributes:
        path: As sent, percent-encoding kept.
        query: The raw text after "?", or "".
        range: The Range header, if any.
        status: 0 where a fault let the connection end before the status line.
        body_bytes: Body bytes handed to the connection; 0 for HEAD.
        fault: The name of the fault that this request met, if any.
    """

    method: str
    path: str
    query: str
    range: str | None
    status: int
    body_bytes: int
    fault: str | None = None


class RequestLog:
    """Requests in the order in which their answers began.

    An entry is written before its answer is sent, with the length about to be sent: whoever has received an
    answer finds it here. It is put right afterwards only if the client left early.
    """

    def __init__(self) -> None:
        self._requests: list[Request] = []
        self._lock = Lock()

    def add(self, request: Request) -> None:
        """Write an entry."""
        with self._lock:
            self._requests.append(request)

    def cut_short(self, request: Request, body_bytes: int) -> None:
        """Correct `request` to the bytes that were sent, if it is still in the log."""
        with self._lock:
            for place, entry in enumerate(self._requests):
                if entry is request:
                    self._requests[place] = replace(request, body_bytes=body_bytes)

    def clear(self) -> None:
        """Forget all entries."""
        with self._lock:
            self._requests.clear()

    def entries(self) -> list[Request]:
        """A copy of the entries so far."""
        with self._lock:
            return list(self._requests)
