"""Trying again after a transient network errors, with back-off, where the Hub's client does not do so by itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

DEFAULT_RETRIES = 3
FIRST_WAIT = 0.5
LONGEST_WAIT = 8.0
LONGEST_RETRY_AFTER = 60.0
"""Seconds a server may ask for; one that asks for more is not waited for."""

PASSING_STATUS = {408, 429, 500, 502, 503, 504}
RETRIED_BY_DOWNLOADS = {"TimeoutException", "RemoteProtocolError"}
"""Faults after which a download by huggingface_hub has already tried five times more."""


def with_retries(call: Callable[[], T], retries: int, *, is_download: bool = False) -> T:
    """The result of `call`, tried again up to `retries` times after a passing fault.

    Args:
        call: may be called several times.
        retries: how often to try again; 0 for never.
        is_download: `call` is a download of huggingface_hub, which tries again by itself after some faults.

    Raises:
        Whatever the last try raised.
    """
    for attempt in range(retries):
        try:
            return call()
        except Exception as error:
            wait = _seconds_to_wait(error, attempt, is_download)
            if wait is None:
                raise
            time.sleep(wait)
    return call()


def _seconds_to_wait(error: Exception, attempt: int, is_download: bool) -> float | None:
    """How long to wait before the next try; None where another try cannot help."""
    lineage = {(cls.__module__.partition(".")[0], cls.__name__) for cls in type(error).__mro__}
    back_off = min(FIRST_WAIT * 2**attempt, LONGEST_WAIT)
    if ("httpx2", "TransportError") in lineage:
        retried = is_download and any(("httpx2", name) in lineage for name in RETRIED_BY_DOWNLOADS)
        return None if retried else back_off
    response = getattr(error, "response", None)
    if ("huggingface_hub", "HfHubHTTPError") not in lineage or response is None:
        return None
    if response.status_code not in PASSING_STATUS:
        return None
    try:
        asked = float(response.headers.get("Retry-After", back_off))
    except ValueError:  # a date: rare, and our own back-off will do
        asked = back_off
    return max(asked, back_off) if asked <= LONGEST_RETRY_AFTER else None
