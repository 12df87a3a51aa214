"""What can go wrong, the exit code it leads to, and the one line a user reads about it.

Rooms raise the classes below. What other libraries raise becomes one of them through ONE table, `FOREIGN`, most
specific row first. Rows name foreign classes by package and class name, so that reading the table imports nothing.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of every command."""

    CLEAN = 0
    """The command has done what it was asked, and `check` found nothing as severe as `--fail-on`."""
    FINDINGS = 1
    """`check` has findings at least as severe as `--fail-on`, or `leaderboard verify` found a difference."""
    INCOMPLETE = 2
    """Could not be completed: network, gated or missing repository, damaged file, non-finite values, out of memory,
    missing extra, report that cannot be written, too little text."""
    NOTHING_AUDITABLE = 3
    """Nothing here can be audited: not a causal language model, an adapter, an unsupported architecture, code of the
    repository required, pickled or GGUF weights only."""
    WRONG_USAGE = 4
    """The request is not valid: an unknown option, site or rule, a missing column, `--seq-len` beyond the model's
    positions."""
    INTERRUPTED = 130
    """Ctrl-C or SIGTERM."""


class ShapeAuditError(Exception):
    """Every error a user may meet; `str(error)` is the one line that says what happened and what to do."""

    exit_code: ExitCode = ExitCode.INCOMPLETE


class IncompleteError(ShapeAuditError):
    """The audit is possible in principle, but could not be completed."""


class NotFoundError(IncompleteError):
    """No repository of the Hub has this name, as far as the visitor may know."""


class CorruptFileError(IncompleteError):
    """A file is not what it says it is: truncated, overlapping, not JSON, not the declared size."""


class NonFiniteError(IncompleteError):
    """A loss or gradient is infinite or not a number; the message names the site."""


class MissingExtraError(IncompleteError):
    """A part of the job needs an optional dependency that is not installed."""


class NotAuditableError(ShapeAuditError):
    """There is nothing here that this tool could audit, however often one tries."""

    exit_code = ExitCode.NOTHING_AUDITABLE


class UsageError(ShapeAuditError):
    """The request itself is not valid."""

    exit_code = ExitCode.WRONG_USAGE


@dataclass(frozen=True)
class _Foreign:
    package: str
    class_name: str
    ours: type[ShapeAuditError]
    line: Callable[[BaseException, str], str]
    contains: str = ""
    """Only messages with these words are meant."""


def _status(error: BaseException) -> str:
    response = getattr(error, "response", None)
    return f"HTTP {response.status_code}" if response is not None else "an HTTP error"


def _advice_on_status(error: BaseException) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    return "Is your token still valid? See `hf auth login`" if status == 401 else "Try again later"


def _why_not_fetched(error: BaseException) -> str:
    """The fault behind a download that found neither the Hub nor the cache."""
    cause: BaseException | None = error
    while cause is not None:
        if getattr(cause, "response", None) is not None:
            return f"the Hub answered {_status(cause)}. Try again later"
        if type(cause).__module__.partition(".")[0] == "httpx2":
            return f"the connection to the Hub failed ({type(cause).__name__}). Check the network and try again"
        if type(cause).__name__ == "OfflineModeIsEnabled":
            return "offline mode is on. Run once without HF_HUB_OFFLINE"
        if type(cause).__name__ == "FileMetadataError":
            return "the Hub's answer lacks what a download needs (a proxy in between?)"
        cause = cause.__cause__ or cause.__context__
    return "the Hub could not be reached"


def _os_error(error: BaseException, subject: str) -> str:
    assert isinstance(error, OSError)
    what = error.strerror or str(error).partition("\n")[0]
    where = f": {error.filename}" if error.filename else ""
    advice = ". Free some space and try again" if error.errno == errno.ENOSPC else ""
    return f"{subject}: {what}{where}{advice}"


def first_line(error: BaseException, limit: int = 200) -> str:
    """The first line of a foreign message, which is often all of it that a user needs; else the error's class."""
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    if line and isinstance(error, KeyError):
        line = f"it does not know {line}"
    return line[:limit] or type(error).__name__


FOREIGN: tuple[_Foreign, ...] = (
    _Foreign("huggingface_hub", "GatedRepoError", IncompleteError, lambda e, s:
        f"{s}: gated. Accept its terms on its Hub page, then log in with `hf auth login` (or set HF_TOKEN)"),
    _Foreign("huggingface_hub", "DisabledRepoError", IncompleteError, lambda e, s:
        f"{s}: the Hub has disabled access to this repository"),
    _Foreign("huggingface_hub", "RepositoryNotFoundError", NotFoundError, lambda e, s:
        f"{s}: not found on the Hub, or private. Check the spelling, or log in with `hf auth login`"),
    _Foreign("huggingface_hub", "RevisionNotFoundError", IncompleteError, lambda e, s:
        f"{s}: the repository exists, but has no such revision (branch, tag or commit)"),
    _Foreign("huggingface_hub", "HFValidationError", UsageError, lambda e, s:
        f"{s}: neither a folder here nor a possible Hub name (org/name)"),
    _Foreign("huggingface_hub", "OfflineModeIsEnabled", IncompleteError, lambda e, s:
        f"{s}: not in the cache, and offline mode is on. Run once without HF_HUB_OFFLINE"),
    _Foreign("huggingface_hub", "LocalEntryNotFoundError", IncompleteError, lambda e, s:
        f"{s}: a file is not in the cache and could not be fetched: {_why_not_fetched(e)}"),
    _Foreign("huggingface_hub", "EntryNotFoundError", IncompleteError, lambda e, s:
        f"{s}: a file of the repository is missing: {first_line(e)}"),
    _Foreign("huggingface_hub", "HfHubHTTPError", IncompleteError, lambda e, s:
        f"{s}: the Hub answered {_status(e)}. {_advice_on_status(e)}"),
    _Foreign("datasets", "DatasetNotFoundError", IncompleteError, lambda e, s:
        f"{s}: not found on the Hub, or private. Check the spelling, or log in with `hf auth login`"),
    _Foreign("httpx2", "TransportError", IncompleteError, lambda e, s:
        f"{s}: the connection to the Hub failed ({type(e).__name__}). Check the network and try again, "
        "or set HF_HUB_OFFLINE=1 for what was audited before"),
    _Foreign("httpx2", "InvalidURL", UsageError, lambda e, s:
        f"{s}: HF_ENDPOINT or a proxy setting is not an address ({first_line(e)})"),
    _Foreign("httpx2", "RequestError", IncompleteError, lambda e, s:
        f"{s}: the request to the Hub failed ({type(e).__name__}). Is there a proxy or a login page in between?"),
    _Foreign("botocore", "NoCredentialsError", IncompleteError, lambda e, s:
        f"{s}: no credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"),
    _Foreign("google", "DefaultCredentialsError", IncompleteError, lambda e, s:
        f"{s}: no credentials were found; log in with `gcloud auth application-default login`"),
    *(_Foreign(package, name, IncompleteError, lambda e, s:
        f"{s}: the connection failed ({type(e).__name__}). Check the network and try again")
      for package, name in (("botocore", "ConnectionError"), ("botocore", "HTTPClientError"),
                            ("aiohttp", "ClientError"))),
    *(_Foreign(package, name, IncompleteError, lambda e, s: f"{s}: {type(e).__name__}: {first_line(e)}")
      for package, name in (("botocore", "BotoCoreError"), ("gcsfs", "HttpError"), ("azure", "AzureError"))),
    _Foreign("builtins", "UnicodeEncodeError", UsageError, lambda e, s:
        f"{s}: HF_TOKEN or another setting holds characters that cannot be sent", contains="ascii"),
    _Foreign("builtins", "ValueError", UsageError, lambda e, s:
        f"{s}: HF_ENDPOINT or a proxy setting is not an address ({first_line(e)})", contains="Invalid IPv6 URL"),
    _Foreign("builtins", "ValueError", UsageError, lambda e, s:
        f"{s}: HF_ENDPOINT or a proxy setting is not an address ({first_line(e)})", contains="Port out of range"),
    _Foreign("torch", "OutOfMemoryError", IncompleteError, lambda e, s:
        f"{s}: out of memory on the device. Lower --micro-batch, --batch or --seq-len, or try --device-map disk"),
    _Foreign("builtins", "RuntimeError", IncompleteError, lambda e, s:
        f"{s}: out of memory. Lower --micro-batch, --batch or --seq-len, or try --device-map disk",
        contains="can't allocate memory"),
    _Foreign("builtins", "MemoryError", IncompleteError, lambda e, s:
        f"{s}: out of memory. Lower --micro-batch, --batch or --seq-len, or try --device-map disk"),
    _Foreign("builtins", "ConnectionError", IncompleteError, lambda e, s:
        f"{s}: the Hub could not be reached. Check the network and try again"),
    _Foreign("builtins", "OSError", IncompleteError, _os_error),
)  # fmt: skip


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """How a message about an unknown name ends: with the nearest one that exists, or nothing where none is near."""
    import difflib

    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


@contextmanager
def translate_errors(subject: str) -> Iterator[None]:
    """Have an exception from within raised as one of ours where it can be explained, and as it is where not.

    Args:
        subject: what the user asked about, as for `explained`.
    """
    try:
        yield
    except ShapeAuditError:
        raise
    except Exception as error:
        ours = explained(error, subject)
        if ours is None:
            raise
        raise ours from error


def explained(error: BaseException, subject: str) -> ShapeAuditError | None:
    """The `ShapeAuditError` for an exception, or None where neither this house nor the table knows it.

    Args:
        error: what was raised.
        subject: what the user asked about (a model's name, a file): the line begins with it.
    """
    if isinstance(error, ShapeAuditError):
        return error
    lineage = {(cls.__module__.partition(".")[0], cls.__name__) for cls in type(error).__mro__}
    for row in FOREIGN:
        if (row.package, row.class_name) in lineage and row.contains in str(error):
            return row.ours(row.line(error, subject))
    return None
