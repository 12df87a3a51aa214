"""An answer as a value, made before any byte of it is sent."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.loopback_hub.delivery import WHOLE, Delivery


@dataclass(frozen=True)
class Response:
    """Status, headers and body. `chunks` is walked only when the body is sent, so HEAD reads no file.

    Attributes:
        length: Of the body that `chunks` hold, in bytes.
        fault: The name of the fault that was applied, for the log.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int = 0
    chunks: Iterable[bytes] = ()
    delivery: Delivery = WHOLE
    fault: str | None = None


def json_response(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`content` as a JSON body."""
    body = json.dumps(content).encode()
    return Response(status, {"Content-Type": "application/json", **(headers or {})}, len(body), [body])
