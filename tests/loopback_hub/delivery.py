"""How an answer goes out, for faults that spoil it on its way."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto


class Ending(Enum):
    """What becomes of the connection after the last byte that is sent."""

    KEEP = auto()
    CLOSE = auto()
    RESET = auto()
    STALL = auto()


@dataclass(frozen=True)
class Delivery:
    """By default whole, at once, with its true length.

    Attributes:
        head: Whether the status line and the headers are sent; without them, no body is either.
        declared_length: For Content-Length, where it is not the body's own.
        body_bytes: How much of the body is sent; None for all of it.
        portion_bytes: The most that is written at once; None for as much as there is.
        pause_s: Wait before each portion.
        stall_s: The longest that `Ending.STALL` waits for the client to leave; then the connection is closed.
    """

    head: bool = True
    declared_length: int | None = None
    body_bytes: int | None = None
    portion_bytes: int | None = None
    pause_s: float = 0
    ending: Ending = Ending.KEEP
    stall_s: float = 0

    def length(self, body_length: int) -> int:
        """How many bytes of a body of `body_length` are to be sent."""
        if not self.head:
            return 0
        return body_length if self.body_bytes is None else min(self.body_bytes, body_length)

    def portions(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """What is to be sent of `chunks`, in the pieces in which it is written."""
        left = self.body_bytes
        for chunk in chunks:
            kept = chunk if left is None else chunk[:left]
            size = self.portion_bytes or len(kept) or 1
            yield from (kept[start : start + size] for start in range(0, len(kept), size))
            if left is not None:
                left -= len(kept)
                if left == 0:
                    return


WHOLE = Delivery()
