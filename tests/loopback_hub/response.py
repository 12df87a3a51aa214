"""An answer as a value, made before any byte of it is sent."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Response:
    """Status, headers and body. `chunks` is walked only when the body is sent, so HEAD reads no file."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int = 0
    chunks: Iterable[bytes] = ()


def json_response(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`content` as a JSON body."""
    body = json.dumps(content).encode()
    return Response(status, {"Content-Type": "application/json", **(headers or {})}, len(body), [body])
