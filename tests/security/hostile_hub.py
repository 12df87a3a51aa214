"""What a Hub can do to a reader that believes it: answers without an end, small ones that unpack to much, odd names."""

import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from tests.loopback_hub.faults import Fault, Honest
from tests.loopback_hub.response import Response
from tests.loopback_hub.server import Incoming

PIECE = b" " * 2**16


@dataclass(frozen=True)
class Endless(Fault):
    """Chunked, and without a last chunk."""

    def befalls(self, incoming: Incoming) -> bool:
        return incoming.method != "HEAD"

    def answer(self, incoming: Incoming, honest: Honest) -> Response:
        response = honest(incoming)
        headers = {**response.headers, "Transfer-Encoding": "chunked"}
        return replace(response, status=200, headers=headers, length=1, chunks=_without_end())


def _without_end() -> Iterator[bytes]:
    while True:
        yield b"%x\r\n%s\r\n" % (len(PIECE), PIECE)


@dataclass(frozen=True)
class Packed(Fault):
    """A gigabyte and a half of blanks, packed a thousand times over, whatever packing was asked for."""

    name: str = "gzip"

    def befalls(self, incoming: Incoming) -> bool:
        return incoming.method != "HEAD"

    def answer(self, incoming: Incoming, honest: Honest) -> Response:
        response, body = honest(incoming), packed()
        headers = {**response.headers, "Content-Encoding": self.name}
        return replace(response, status=200, headers=headers, length=len(body), chunks=[body])


@cache
def packed() -> bytes:
    """A block that refers to nothing before it, over and over; what follows it would be the end."""
    packer = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = packer.compress(PIECE * 16) + packer.flush(zlib.Z_FULL_FLUSH)
    return b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + block * 1536


@dataclass(frozen=True)
class ChangedInfo(Fault):
    """What the Hub says of a repository, changed."""

    change: Callable[[dict[str, Any]], Mapping[str, Any]] = dict

    def answer(self, incoming: Incoming, honest: Honest) -> Response:
        response = honest(incoming)
        body = json.dumps(self.change(json.loads(b"".join(response.chunks)))).encode()
        return replace(response, length=len(body), chunks=[body])
