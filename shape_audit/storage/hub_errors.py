"""What goes wrong in writing to the Hub, where the words of `errors.FOREIGN`, which are about reading, do not fit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from shape_audit.errors import IncompleteError, ShapeAuditError, explained


@contextmanager
def hub_write_errors(subject: str) -> Iterator[None]:
    """Have an exception of the client raised as one of ours where it can be explained, and as it is where not.

    Args:
        subject: what is written to; the line begins with it.
    """
    try:
        yield
    except ShapeAuditError:
        raise
    except Exception as error:
        # The client wraps what has stopped the upload of a large file.
        fault = error.__cause__ if isinstance(error, RuntimeError) and error.__cause__ is not None else error
        line = _line(fault)
        ours = IncompleteError(f"{subject}: {line}") if line is not None else explained(fault, subject)
        if ours is None:
            raise
        raise ours from error


def _line(error: BaseException) -> str | None:
    classes = {cls.__name__ for cls in type(error).__mro__}
    status = getattr(getattr(error, "response", None), "status_code", None)
    reason = " ".join(str(error).split())[:200]
    if "TransportError" in classes:
        name = type(error).__name__
        return f"the connection to the Hub failed ({name}). Nothing is lost: check the network and try again"
    if "OfflineModeIsEnabled" in classes:
        return "offline mode is on. Run it without HF_HUB_OFFLINE"
    if type(error).__name__ == "HfHubHTTPError" and status == 403:
        words = " ".join(str(getattr(error, "server_message", None) or "").split())[:200].rstrip(".")
        return (
            f"the Hub answered HTTP 403.{f' It says: {words}.' if words else ''} A token needs the write role "
            "and a right in that namespace; see `hf auth login`"
        )
    if type(error).__name__ == "HfHubHTTPError" and status in (409, 412):
        return f"the Hub answered HTTP {status}. Somebody else has changed it meanwhile; try again"
    if isinstance(error, ConnectionError) or type(error).__module__.startswith("hf_xet"):
        return f"an upload failed ({reason}). Try again, or with HF_HUB_DISABLE_XET=1 if it was Xet"
    if reason.startswith("Invalid metadata in README.md"):
        return f"the Hub does not take its README.md ({reason})"
    if isinstance(error, ValueError | TypeError | KeyError | AttributeError) and explained(error, "") is None:
        return "unexpected response from the Hub; is there a proxy or a login page in between?"
    return None
