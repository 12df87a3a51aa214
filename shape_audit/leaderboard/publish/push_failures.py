"""What befalls a push, said so that it fits one: what the client wraps is unwrapped, and nothing speaks of audits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from shape_audit.errors import IncompleteError, ShapeAuditError, explained


@contextmanager
def in_words_of_a_push(repo_id: str) -> Iterator[None]:
    """What befalls a push, in words that fit one; all that `errors.FOREIGN` says as well is left to it."""
    try:
        yield
    except ShapeAuditError:
        raise
    except Exception as error:
        said = _said_of(error, repo_id)
        if said is None:
            raise
        raise IncompleteError(said) from error


def _said_of(error: BaseException, repo_id: str) -> str | None:
    lineage = {(cls.__module__.partition(".")[0], cls.__name__) for cls in type(error).__mro__}
    if isinstance(error, RuntimeError) and error.__cause__ is not None:  # the client's word for a failed upload
        cause = explained(error.__cause__, repo_id)
        return _said_of(error.__cause__, repo_id) or (str(cause) if cause is not None else None)
    if ("httpx2", "TransportError") in lineage:
        return (
            f"{repo_id}: the connection to the Hub failed ({type(error).__name__}). Nothing is lost: check the network "
            "and push again"
        )
    if type(error).__name__ == "HfHubHTTPError" and (refusal := _refusal(error)) is not None:
        return f"{repo_id}: {refusal}"
    reason = " ".join(str(error).split())[:200]
    if isinstance(error, ConnectionError) or type(error).__module__.startswith("hf_xet"):
        return f"{repo_id}: an upload failed ({reason}). Push again, or with HF_HUB_DISABLE_XET=1 if it was Xet"
    if isinstance(error, ValueError) and str(error).startswith("Invalid metadata in README.md"):
        return f"{repo_id}: the Hub does not take its README.md ({reason})"
    is_odd = isinstance(error, ValueError | TypeError | KeyError | AttributeError)
    if is_odd and explained(error, repo_id) is None:
        return f"{repo_id}: the Hub's answer makes no sense; is there a proxy or a login page in between?"
    return None


def _refusal(error: BaseException) -> str | None:
    """What to do about statuses that mean something else of a write than of a read; None for all others."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status == 403:
        words = " ".join(str(getattr(error, "server_message", None) or "").split())[:200].rstrip(".")
        said = f" It says: {words}." if words else ""
        return (
            f"the Hub answered HTTP 403.{said} To push, a token needs the write role and a right in that namespace; "
            "see `hf auth login`"
        )
    if status in (409, 412):
        return f"the Hub answered HTTP {status}. Somebody else has changed it meanwhile; push again"
    return None
