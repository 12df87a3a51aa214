"""What can go wrong between a client and the Hub, as values: `hub.fault(StatusFor(503, first=2), on="/resolve/")`.

A fault stands between a request and its honest answer. It may put another answer in its place, change the
answer, or spoil its delivery; it never touches what the hub holds, so the next request finds all in order.
Every fault takes `first=N`: only the first N requests that it can befall are spoilt.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from email.message import Message
from http import HTTPStatus
from urllib.parse import urlsplit

from tests.loopback_hub.delivery import Delivery, Ending
from tests.loopback_hub.hub_error import HubError
from tests.loopback_hub.response import Response
from tests.loopback_hub.server import Incoming

SIGN_IN_PAGE = b"<!doctype html><title>Sign in</title><p>Sign in to use this network.</p>"

Honest = Callable[[Incoming], Response]


@dataclass(frozen=True)
class Fault:
    """One kind of fault.

    Attributes:
        first: How many requests it befalls; None for all. Of faults that match the same request, the one armed
            first goes first, so several with a `first` make a sequence.
    """

    _: KW_ONLY
    first: int | None = None

    def befalls(self, incoming: Incoming) -> bool:
        """Whether this request can show the fault at all. One that cannot is answered and not counted."""
        return True

    def answer(self, incoming: Incoming, honest: Honest) -> Response:
        """What is sent instead of `honest(incoming)`."""
        raise NotImplementedError


@dataclass(frozen=True)
class StatusFor(Fault):
    """A refusal with this status, in the Hub's form.

    Attributes:
        code: For X-Error-Code, from which huggingface_hub picks its exception class; None sends none.
        message: In X-Error-Message and in the body; by default the status's own words.
        headers: More headers, as Retry-After.
    """

    status: int
    code: str | None = None
    message: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def answer(self, incoming: Incoming, honest: Honest) -> Response:
        message = self.message or HTTPStatus(self.status).phrase
        return HubError(self.status, self.code, message, self.headers).response()


@dataclass(frozen=True)
class _Break(Fault):
    """The delivery breaks off.

    Attributes:
        after: None: before any byte of the answer. Else the headers are sent, and this many bytes of the body
            (all of a shorter one); then HEAD requests are spared, whose answers have no body to break.
    """

    after: int | None = None

    def befalls(self, incoming: Incoming) -> bool:
        return self.after is None or _has_body(incoming)

    def answer(self, incoming: Incoming, honest: Honest) -> Response:
        return replace(honest(incoming), delivery=self.delivery())

    def delivery(self) -> Delivery:
        """The delivery as far as it comes, and how it ends."""
        return Delivery(head=self.after is not None, body_bytes=self.after)


@dataclass(frozen=True)
class Close(_Break):
    """The connection is closed in good order (FIN), though bytes are missing."""

    def delivery(self) -> Delivery:
        return replace(super().delivery(), ending=Ending.CLOSE)


@dataclass(frozen=True)
class Reset(_Break):
    """The connection is reset (RST)."""

    def delivery(self) -> Delivery:
        return replace(super().delivery(), ending=Ending.RESET)


@dataclass(frozen=True)
class Lost(Fault):
    """The request never arrives: the connection is closed, and nothing was done. After `Close()`, what was asked for
    is done, and only the answer is missing.
    """

    def answer(self, incoming: Incoming, honest: Honest) -> Response:
        return Response(200, delivery=Delivery(head=False, ending=Ending.CLOSE))


@dataclass(frozen=True)
class Stall(_Break):
    """Nothing more comes, until the client leaves; after `seconds` without its leaving, the connection is closed."""

    _: KW_ONLY
    seconds: float = 60

    def delivery(self) -> Delivery:
        return replace(super().delivery(), ending=Ending.STALL, stall_s=self.seconds)


@dataclass(frozen=True)
class Slow(Fault):
    """The body comes in portions, with a pause before each. All of it comes, if the client waits."""

    portion_bytes: int = 1
    pause_s: float = 0.1

    def befalls(self, incoming: Incoming) -> bool:
        return _has_body(incoming)

    def answer(self, incoming: Incoming, honest: Honest) -> Response:
        return replace(honest(incoming), delivery=Delivery(portion_bytes=self.portion_bytes, pause_s=self.pause_s))


@dataclass(frozen=True)
class WrongLength(Fault):
    """Content-Length is off by `by` bytes, for HEAD too; the body is whole, and the connection closed after it.

    X-Linked-Size, where the Hub sends one, stays true: huggingface_hub takes the size from there first.
    """

    by: int

    def answer(self, incoming: Incoming, honest: Honest) -> Response:
        response = honest(incoming)
        delivery = Delivery(declared_length=max(response.length + self.by, 0), ending=Ending.CLOSE)
        return replace(response, delivery=delivery)


@dataclass(frozen=True)
class Truncated(Fault):
    """The body ends after `to` bytes, and Content-Length agrees: only who knows the size or the hash can tell.

    The other headers and HEAD tell of the whole body. For one that breaks off before its Content-Length, see
    `Close(after=...)`.
    """

    to: int

    def befalls(self, incoming: Incoming) -> bool:
        return _has_body(incoming)

    def answer(self, incoming: Incoming, honest: Honest) -> Response:
        response = honest(incoming)
        length = min(self.to, response.length)
        return replace(response, delivery=Delivery(body_bytes=length, declared_length=length))


@dataclass(frozen=True)
class FlippedByte(Fault):
    """All bits of one byte of the body are flipped; `at` counts within this answer. A shorter body stays as it is."""

    at: int = 0

    def befalls(self, incoming: Incoming) -> bool:
        return _has_body(incoming)

    def answer(self, incoming: Incoming, honest: Honest) -> Response:
        response = honest(incoming)
        return replace(response, chunks=_flipped(response.chunks, self.at))


@dataclass(frozen=True)
class RangesIgnored(Fault):
    """The whole file with 200, whatever range is asked for. Befalls requests that ask for one."""

    def befalls(self, incoming: Incoming) -> bool:
        return "Range" in incoming.headers

    def answer(self, incoming: Incoming, honest: Honest) -> Response:
        return honest(_without_range(incoming))


@dataclass(frozen=True)
class Garbage(Fault):
    """Something that no Hub says, with none of its headers: by default the page of a network that wants a login."""

    content: bytes = SIGN_IN_PAGE
    content_type: str = "text/html"
    status: int = 200

    def answer(self, incoming: Incoming, honest: Honest) -> Response:
        return Response(self.status, {"Content-Type": self.content_type}, len(self.content), [self.content])


@dataclass(frozen=True)
class EmptyAnswer(Garbage):
    """200, declared as JSON, and not one byte."""

    content: bytes = b""
    content_type: str = "application/json"


@dataclass(frozen=True)
class _ChangedHeaders(Fault):
    """The answer with headers replaced, or left out (None). None is added that the answer has not."""

    def answer(self, incoming: Incoming, honest: Honest) -> Response:
        response = honest(incoming)
        changed = self.changed()
        headers = {name: changed.get(name, value) for name, value in response.headers.items()}
        return replace(response, headers={name: value for name, value in headers.items() if value is not None})

    def changed(self) -> Mapping[str, str | None]:
        """New values by name."""
        raise NotImplementedError


@dataclass(frozen=True)
class WrongETag(_ChangedHeaders):
    """A file goes by another hash than its own; None leaves the hash out."""

    etag: str | None = "0" * 40

    def changed(self) -> Mapping[str, str | None]:
        value = f'"{self.etag}"' if self.etag is not None else None
        return {"ETag": value, "X-Linked-Etag": value}


@dataclass(frozen=True)
class WrongRepoCommit(_ChangedHeaders):
    """A file is said to be of another commit than asked for; by default of none, as mirrors and proxies do."""

    sha: str | None = None

    def changed(self) -> Mapping[str, str | None]:
        return {"X-Repo-Commit": self.sha}


@dataclass(frozen=True)
class Redirect(Fault):
    """A redirect to `to`, as it stands in Location: a path of this hub, or a whole address, of another one perhaps.

    Attributes:
        hub_headers: Send what the Hub puts on its redirects of files (commit, hash and size), from which clients
            know the file without following. False for a redirect that is not the Hub's.
    """

    to: str
    status: int = 307
    hub_headers: bool = True

    def befalls(self, incoming: Incoming) -> bool:
        """Not the target's own requests, or the redirect would be a loop."""
        return incoming.path != urlsplit(self.to).path

    def answer(self, incoming: Incoming, honest: Honest) -> Response:
        headers = _file_headers(honest(_without_range(incoming))) if self.hub_headers else {}
        return Response(self.status, {**headers, "Location": self.to})


@dataclass(frozen=True)
class RedirectLoop(Fault):
    """A redirect of every address to itself."""

    status: int = 307

    def answer(self, incoming: Incoming, honest: Honest) -> Response:
        address = incoming.path + (f"?{incoming.query}" if incoming.query else "")
        return Response(self.status, {"Location": address})


def _has_body(incoming: Incoming) -> bool:
    return incoming.method != "HEAD"


def _without_range(incoming: Incoming) -> Incoming:
    headers = Message()
    for name, value in incoming.headers.items():
        if name.lower() != "range":
            headers[name] = value
    return replace(incoming, headers=headers)


def _file_headers(response: Response) -> dict[str, str]:
    """What the Hub tells of a file on the redirect to where its bytes are; nothing for what is no file."""
    if "ETag" not in response.headers:
        return {}
    return {
        "X-Repo-Commit": response.headers["X-Repo-Commit"],
        "X-Linked-Etag": response.headers["ETag"],
        "X-Linked-Size": str(response.length),
    }


def _flipped(chunks: Iterable[bytes], at: int) -> Iterator[bytes]:
    begin = 0
    for chunk in chunks:
        place = at - begin
        if 0 <= place < len(chunk):
            yield chunk[:place] + bytes([chunk[place] ^ 0xFF]) + chunk[place + 1 :]
        else:
            yield chunk
        begin += len(chunk)
