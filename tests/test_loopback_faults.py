"""The loopback hub's faults: what each puts on the wire, and what huggingface_hub makes of them.

On the wire they are read with plain sockets. Clients run in processes of their own, as they read HF_ENDPOINT and
their timeouts once, when they are imported; there each fault has a repository of its own.
"""

import hashlib
import http.client
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from email.parser import BytesParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.loopback_hub import LoopbackHub
from tests.loopback_hub.armed_faults import On
from tests.loopback_hub.faults import (
    SIGN_IN_PAGE,
    Close,
    EmptyAnswer,
    Fault,
    FlippedByte,
    Garbage,
    RangesIgnored,
    Redirect,
    RedirectLoop,
    Reset,
    Slow,
    Stall,
    StatusFor,
    Truncated,
    WrongETag,
    WrongLength,
    WrongRepoCommit,
)

pytestmark = pytest.mark.long
"""Of the hub and its clients, not of the program; that the hub works is shown by every test that uses it."""

WEIGHTS = bytes(range(256)) * 800  # more than the hub reads at once
FILE = "/org/name/resolve/main/model.safetensors"
API = "/api/models/org/name"
CLOSED, RESET, OPEN = "closed", "reset", "open"
LONG = 600.0  # of a stall: a test that waits for its end has failed

CLIENT = """
import hashlib, json, pathlib, sys
from concurrent.futures import ThreadPoolExecutor
from huggingface_hub import *
from huggingface_hub.utils import hf_raise_for_status, http_stream_backoff

def info(repo, timeout=30):
    return model_info(repo, timeout=timeout).id

def download(repo):
    return digest(pathlib.Path(hf_hub_download(repo, "model.safetensors")).read_bytes())

def snapshot(repo):
    return digest((pathlib.Path(snapshot_download(repo)) / "model.safetensors").read_bytes())

def stream(repo):
    url, headers = hf_hub_url(repo, "model.safetensors"), {"Range": "bytes=0-99999"}
    with http_stream_backoff("GET", url, headers=headers, timeout=2) as response:
        hf_raise_for_status(response)
        return digest(b"".join(response.iter_bytes()))

def digest(content):
    return hashlib.sha256(content).hexdigest()

def outcome(call):
    try:
        return eval(call)
    except Exception as error:
        return type(error).__name__

calls = json.loads(sys.argv[1])
with ThreadPoolExecutor(len(calls)) as pool:
    print(json.dumps(list(pool.map(outcome, calls))))
"""

Client = Callable[[list[str]], list[str]]


@dataclass(frozen=True)
class Answer:
    """All that came back on a connection, and how it ended; `status` is None where nothing came."""

    status: int | None
    headers: dict[str, str]
    body: bytes
    end: str


@pytest.fixture
def hub(hub: LoopbackHub) -> LoopbackHub:
    hub.add_model("org/name", {"config.json": b"{}", "model.safetensors": WEIGHTS})
    return hub


@pytest.fixture
def client(hub: LoopbackHub, clean_environment: dict[str, str], tmp_path: Path) -> Client:
    """Makes calls of huggingface_hub side by side in a new process: their values, or the classes they raise."""
    timeouts = {"HF_HUB_DOWNLOAD_TIMEOUT": "2", "HF_HUB_ETAG_TIMEOUT": "2"}

    def run(calls: list[str]) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", CLIENT, json.dumps(calls)],
            env=clean_environment | timeouts | {"HF_ENDPOINT": hub.endpoint},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        outcomes: list[str] = json.loads(done.stdout.splitlines()[-1])
        return outcomes

    return run


def connect(hub: LoopbackHub) -> closing[socket.socket]:
    address = urlsplit(hub.endpoint)
    return closing(socket.create_connection((address.hostname, address.port), timeout=30))


def send(connection: socket.socket, path: str, method: str = "GET", **headers: str) -> None:
    lines = [f"{method} {path} HTTP/1.1", "Host: hub", *(f"{name}: {value}" for name, value in headers.items())]
    connection.sendall("\r\n".join([*lines, "", ""]).encode())


def ask(hub: LoopbackHub, path: str, method: str = "GET", **headers: str) -> Answer:
    """One request, the last of its connection, and all that comes back."""
    with connect(hub) as connection:
        send(connection, path, method, Connection="close", **headers)
        return receive(connection)


def receive(connection: socket.socket, silence_s: float = 30) -> Answer:
    """What comes until the connection ends, or is silent for so long."""
    received, end = b"", CLOSED
    connection.settimeout(silence_s)
    try:
        while chunk := connection.recv(1 << 20):
            received += chunk
    except ConnectionResetError:
        end = RESET
    except TimeoutError:
        end = OPEN
    head, _, body = received.partition(b"\r\n\r\n")
    if not head:
        return Answer(None, {}, b"", end)
    status, _, fields = head.partition(b"\r\n")
    return Answer(int(status.split()[1]), dict(BytesParser().parsebytes(fields).items()), body, end)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def until(condition: Callable[[], bool]) -> bool:
    """Whether it becomes true: for what another thread does after the client has its bytes."""
    patience = time.monotonic() + 30
    while not (met := condition()) and time.monotonic() < patience:
        time.sleep(0.005)
    return met


# Which request meets which fault


def test_the_first_n_requests_meet_the_fault_and_the_log_says_so(hub: LoopbackHub) -> None:
    armed = hub.fault(StatusFor(503, first=2))
    assert [ask(hub, API).status for _ in range(3)] == [503, 503, 200]
    assert armed.times_applied == 2
    assert [(request.status, request.fault) for request in hub.log] == [
        (503, "StatusFor"),
        (503, "StatusFor"),
        (200, None),
    ]


def test_faults_of_the_same_requests_follow_each_other(hub: LoopbackHub) -> None:
    armed = [hub.fault(fault) for fault in (StatusFor(503, first=1), Close(first=1), StatusFor(429))]
    assert [ask(hub, API).status for _ in range(4)] == [503, None, 429, 429]
    assert [each.times_applied for each in armed] == [1, 1, 2]


def test_parallel_requests_spoil_no_more_than_the_first_n(hub: LoopbackHub) -> None:
    armed = hub.fault(StatusFor(503, first=5))
    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(lambda _: ask(hub, API).status, range(16)))
    assert sorted(statuses, key=str) == [200] * 11 + [503] * 5
    assert armed.times_applied == 5


@pytest.mark.parametrize(
    ("on", "met"),
    [
        ("", {("GET", API), ("HEAD", FILE), ("GET", FILE)}),
        ("/resolve/", {("HEAD", FILE), ("GET", FILE)}),
        ("GET /resolve/", {("GET", FILE)}),
        ("HEAD ", {("HEAD", FILE)}),
        ("/elsewhere/", set()),
        (
            lambda incoming: incoming.headers["Host"] == "hub" and "api" in incoming.path,
            {("GET", API), ("GET", "/api/agent-harnesses")},
        ),
    ],
    ids=["all", "path", "method-and-path", "method", "none", "predicate"],
)
def test_requests_are_meant_by_path_method_or_predicate(hub: LoopbackHub, on: On, met: set[tuple[str, str]]) -> None:
    armed = hub.fault(StatusFor(503), on=on)
    asked = [("GET", API), ("HEAD", FILE), ("GET", FILE), ("GET", "/api/agent-harnesses")]
    assert {(method, path) for method, path in asked if ask(hub, path, method).status == 503} == met
    assert armed.times_applied == len(met)


def test_cleared_faults_are_gone(hub: LoopbackHub) -> None:
    armed = hub.fault(StatusFor(503))
    assert ask(hub, API).status == 503
    hub.clear_faults()
    assert ask(hub, API).status == 200
    assert armed.times_applied == 1


# Other answers


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_statuses(hub: LoopbackHub, status: int, method: str) -> None:
    hub.fault(StatusFor(status, "Code", "Not now", headers={"Retry-After": "7"}))
    answer = ask(hub, FILE, method)
    assert answer.status == status
    names = ("X-Error-Code", "X-Error-Message", "Retry-After")
    assert [answer.headers[name] for name in names] == ["Code", "Not now", "7"]
    assert answer.body == (b'{"error": "Not now"}' if method == "GET" else b"")


def test_a_status_without_a_code(hub: LoopbackHub) -> None:
    hub.fault(StatusFor(502))
    answer = ask(hub, API)
    assert "X-Error-Code" not in answer.headers
    assert answer.headers["X-Error-Message"] == "Bad Gateway"


def test_garbage_and_nothing_instead_of_json(hub: LoopbackHub) -> None:
    hub.fault(Garbage(first=1))
    hub.fault(EmptyAnswer(first=1))
    page, empty = ask(hub, API), ask(hub, API)
    assert (page.status, page.headers["Content-Type"], page.body) == (200, "text/html", SIGN_IN_PAGE)
    assert (empty.status, empty.headers["Content-Type"], empty.body) == (200, "application/json", b"")
    assert [request.fault for request in hub.log] == ["Garbage", "EmptyAnswer"]


def test_wrong_and_missing_headers(hub: LoopbackHub) -> None:
    faults: list[Fault] = [WrongETag("ab"), WrongETag(None), WrongRepoCommit("cd"), WrongRepoCommit()]
    true = ask(hub, FILE)
    names = ("ETag", "X-Linked-Etag", "X-Repo-Commit")
    etag, linked, commit = (true.headers[name] for name in names)
    for fault, expected in zip(
        faults,
        [('"ab"', '"ab"', commit), (None, None, commit), (etag, linked, "cd"), (etag, linked, None)],
        strict=True,
    ):
        hub.clear_faults()
        hub.fault(fault)
        answer = ask(hub, FILE)
        assert tuple(answer.headers.get(name) for name in names) == expected
        assert answer.body == WEIGHTS
        assert "ETag" not in ask(hub, API).headers


@pytest.mark.parametrize("status", [302, 307])
@pytest.mark.parametrize("absolute", [False, True])
def test_redirects(hub: LoopbackHub, status: int, absolute: bool) -> None:
    target = (hub.endpoint if absolute else "") + "/org/name/resolve/main/config.json"
    hub.fault(Redirect(target, status))
    true = ask(hub, "/org/name/resolve/main/config.json", "HEAD")
    answer = ask(hub, FILE, "HEAD", Range="bytes=0-9")
    assert (true.status, answer.status, answer.headers["Location"]) == (200, status, target)
    assert answer.headers["X-Repo-Commit"] == true.headers["X-Repo-Commit"]
    assert answer.headers["X-Linked-Size"] == str(len(WEIGHTS))
    assert len(answer.headers["X-Linked-Etag"]) == 64 + 2


def test_redirects_that_are_not_the_hubs(hub: LoopbackHub) -> None:
    hub.fault(Redirect("/login", hub_headers=False, first=1))
    hub.fault(RedirectLoop(302))
    assert not [name for name in ask(hub, FILE).headers if name.startswith("X-")]
    assert ask(hub, f"{API}?blobs=true").headers["Location"] == f"{API}?blobs=true"


# Spoilt delivery


@pytest.mark.parametrize(("kind", "end"), [(Close, CLOSED), (Reset, RESET), (Stall, OPEN)])
@pytest.mark.parametrize("after", [None, 0, 1000, 70_000, len(WEIGHTS) + 1])
def test_connections_break_before_or_after_some_bytes(
    hub: LoopbackHub, kind: type[Close | Reset | Stall], end: str, after: int | None
) -> None:
    hub.fault(kind(after=after))
    with connect(hub) as connection:  # one that the client would keep
        send(connection, FILE)
        answer = receive(connection, silence_s=0.25 if kind is Stall else 30)
    assert answer.end == end
    assert answer.body == WEIGHTS[: after or 0]
    if after is None:
        assert answer.status is None
    else:
        assert (answer.status, answer.headers["Content-Length"]) == (200, str(len(WEIGHTS)))
    request = hub.log[-1]
    assert (request.status, request.body_bytes, request.fault) == (answer.status or 0, len(answer.body), kind.__name__)


@pytest.mark.parametrize("kind", [Close, Reset, Stall])
def test_answers_to_head_break_only_as_a_whole(hub: LoopbackHub, kind: type[Close | Reset | Stall]) -> None:
    in_body = hub.fault(kind(after=0))
    assert (ask(hub, FILE, "HEAD").status, in_body.times_applied) == (200, 0)
    whole = hub.fault(Stall(seconds=0.05) if kind is Stall else kind())
    assert (ask(hub, FILE, "HEAD").status, whole.times_applied) == (None, 1)


@pytest.mark.parametrize("fault", [Stall(seconds=LONG), Stall(after=10, seconds=LONG), Slow(1, pause_s=LONG)])
def test_stop_does_not_wait_for_who_stalls(hub: LoopbackHub, fault: Fault) -> None:
    armed = hub.fault(fault)
    before = threading.active_count()
    with connect(hub) as connection:
        send(connection, FILE)
        assert until(lambda: armed.times_applied == 1)
        stopping = threading.Thread(target=hub.stop)
        stopping.start()
        assert receive(connection).end == CLOSED
        stopping.join(30)
        assert not stopping.is_alive()
    assert until(lambda: threading.active_count() < before)  # nor does its thread live on


def test_a_stall_ends_when_the_client_leaves_or_its_time_is_over(hub: LoopbackHub) -> None:
    before = threading.active_count()
    hub.fault(Stall(seconds=LONG, first=1))
    hub.fault(Stall(after=10, seconds=0.05))
    with connect(hub) as connection:
        send(connection, FILE)
        assert until(lambda: threading.active_count() > before)
    assert until(lambda: threading.active_count() == before)
    answer = ask(hub, FILE)
    assert (answer.body, answer.end) == (WEIGHTS[:10], CLOSED)


def test_slow_bodies_are_whole_and_come_in_portions(hub: LoopbackHub) -> None:
    hub.fault(Slow(portion_bytes=10_000, pause_s=0.001))
    assert ask(hub, FILE).body == WEIGHTS
    hub.clear_faults()
    hub.fault(Slow(portion_bytes=10, pause_s=0.01))
    with connect(hub) as connection:  # who leaves at the first portion was sent few of the others
        send(connection, FILE)
        received = b""
        while not received.partition(b"\r\n\r\n")[2]:
            received += connection.recv(1 << 20)
    assert until(lambda: hub.log[-1].body_bytes < len(WEIGHTS))


@pytest.mark.parametrize("by", [10, -10])
def test_wrong_lengths(hub: LoopbackHub, by: int) -> None:
    hub.fault(WrongLength(by))
    declared = str(len(WEIGHTS) + by)
    head, whole, part = ask(hub, FILE, "HEAD"), ask(hub, FILE), ask(hub, FILE, Range="bytes=0-99")
    assert head.headers["Content-Length"] == whole.headers["Content-Length"] == declared
    assert (whole.body, whole.end) == (WEIGHTS, CLOSED)
    assert (part.status, part.headers["Content-Length"], part.body) == (206, str(100 + by), WEIGHTS[:100])
    assert [request.body_bytes for request in hub.log] == [0, len(WEIGHTS), 100]


def test_truncated_answers_are_in_good_order(hub: LoopbackHub) -> None:
    true = ask(hub, FILE)
    armed = hub.fault(Truncated(to=1000))
    assert ask(hub, FILE, "HEAD").headers["Content-Length"] == str(len(WEIGHTS))
    answer = ask(hub, FILE)
    assert (answer.status, answer.body) == (200, WEIGHTS[:1000])
    assert answer.headers["Content-Length"] == "1000"
    assert answer.headers["ETag"] == true.headers["ETag"]
    assert armed.times_applied == 1


@pytest.mark.parametrize("at", [0, 70_000, len(WEIGHTS) - 1])
def test_one_flipped_byte(hub: LoopbackHub, at: int) -> None:
    hub.fault(FlippedByte(at))
    body = ask(hub, FILE).body
    assert [place for place, (sent, true) in enumerate(zip(body, WEIGHTS, strict=True)) if sent != true] == [at]


def test_ranges_ignored(hub: LoopbackHub) -> None:
    armed = hub.fault(RangesIgnored())
    answer = ask(hub, FILE, Range="bytes=10-19")
    assert (answer.status, answer.body, "Content-Range" in answer.headers) == (200, WEIGHTS, False)
    assert ask(hub, FILE).status == 200
    assert armed.times_applied == 1
    assert (hub.log[0].range, hub.log[0].fault) == ("bytes=10-19", "RangesIgnored")


def test_a_connection_serves_on_after_a_fault_that_does_not_end_it(hub: LoopbackHub) -> None:
    for fault in (StatusFor(503, first=1), Garbage(first=1), RedirectLoop(first=1), Truncated(3, first=1)):
        hub.fault(fault)
    opened = None
    with closing(http.client.HTTPConnection(urlsplit(hub.endpoint).netloc, timeout=30)) as connection:
        for status in (503, 200, 307, 200, 200):
            connection.request("GET", API)
            with connection.getresponse() as response:
                assert (response.status, response.will_close) == (status, False)
                response.read()
            opened = opened or connection.sock
            assert connection.sock is opened
    assert [request.fault for request in hub.log] == ["StatusFor", "Garbage", "RedirectLoop", "Truncated", None]


def test_a_stopped_hub_refuses_until_it_is_restarted(hub: LoopbackHub) -> None:
    endpoint = hub.endpoint
    hub.stop()
    with pytest.raises(ConnectionRefusedError):
        ask(hub, API)
    hub.restart()
    assert (hub.endpoint, ask(hub, API).status) == (endpoint, 200)


# What huggingface_hub makes of them

INTACT, FIRST_100_000 = digest(WEIGHTS), digest(WEIGHTS[:100_000])


@dataclass(frozen=True)
class Case:
    """A call on a repository of its own, the fault in its way, what comes of it and after how many faulty answers."""

    call: str
    method: str
    fault: Fault
    outcome: str
    times: int = 1


def check(hub: LoopbackHub, client: Client, cases: list[Case]) -> None:
    names = [f"org/case-{number:02}" for number in range(len(cases))]
    armed = []
    for name, case in zip(names, cases, strict=True):
        hub.add_model(name, {"model.safetensors": WEIGHTS})
        armed.append(hub.fault(case.fault, on=f"{case.method} {name.removeprefix('org')}"))
    outcomes = client([case.call.format(repr(name)) for name, case in zip(names, cases, strict=True)])
    found = [(fault, outcome, fault.times_applied) for fault, outcome in zip(armed, outcomes, strict=True)]
    expected = [(fault, case.outcome, case.times) for fault, case in zip(armed, cases, strict=True)]
    assert found == expected


def test_model_info_never_tries_again(hub: LoopbackHub, client: Client) -> None:
    def case(fault: Fault, outcome: str, times: int = 1, call: str = "info({})") -> Case:
        return Case(call, "GET", fault, outcome, times)

    check(
        hub,
        client,
        [
            case(StatusFor(503, first=1), "HfHubHTTPError"),
            case(StatusFor(429, headers={"Retry-After": "0"}, first=1), "HfHubHTTPError"),
            case(StatusFor(401, "GatedRepo"), "GatedRepoError"),
            case(StatusFor(404, "RepoNotFound"), "RepositoryNotFoundError"),
            case(Close(first=1), "RemoteProtocolError"),
            case(Close(after=50, first=1), "RemoteProtocolError"),
            case(Reset(first=1), "ReadError"),
            case(Reset(after=50, first=1), "ReadError"),
            case(Stall(first=1), "ReadTimeout", call="info({}, timeout=1)"),
            case(Stall(after=50, first=1), "ReadTimeout", call="info({}, timeout=1)"),
            case(Garbage(), "JSONDecodeError"),
            case(EmptyAnswer(), "JSONDecodeError"),
            case(Truncated(50), "JSONDecodeError"),
            case(WrongLength(10), "RemoteProtocolError"),
            case(WrongLength(-10), "JSONDecodeError"),
            case(RedirectLoop(), "TooManyRedirects", times=21),
            case(Redirect("/api/models/org/name"), "org/name"),
            case(Slow(100, pause_s=0.01), "org/case-17"),
        ],
    )


def test_downloads_try_some_things_again(hub: LoopbackHub, client: Client) -> None:
    flipped = bytes([WEIGHTS[0] ^ 0xFF]) + WEIGHTS[1:]
    check(
        hub,
        client,
        [
            Case("download({})", "HEAD", StatusFor(503, first=1), INTACT),
            Case("download({})", "HEAD", StatusFor(403), "LocalEntryNotFoundError"),
            Case("download({})", "HEAD", StatusFor(403, "GatedRepo"), "GatedRepoError"),
            Case("download({})", "HEAD", Close(first=1), "RemoteProtocolError"),
            Case("download({})", "HEAD", Reset(first=1), "ReadError"),
            Case("download({})", "HEAD", Stall(first=1), INTACT),
            Case("download({})", "HEAD", Garbage(), "LocalEntryNotFoundError"),
            Case("download({})", "HEAD", WrongETag(None), "LocalEntryNotFoundError"),
            Case("download({})", "HEAD", WrongRepoCommit(), "LocalEntryNotFoundError"),
            Case("download({})", "HEAD", Redirect("/org/name/resolve/main/config.json"), digest(b"{}")),
            Case("download({})", "GET", StatusFor(503, first=1), "HfHubHTTPError"),
            Case("download({})", "GET", StatusFor(429, headers={"Retry-After": "0"}, first=1), INTACT),
            Case("download({})", "GET", Close(after=1000), "RemoteProtocolError", times=6),
            Case("download({})", "GET", Close(after=1000, first=1), INTACT),
            Case("download({})", "GET", Reset(after=1000, first=1), "ReadError"),
            Case("download({})", "GET", Stall(after=1000, first=1), INTACT),
            Case("download({})", "GET", Truncated(1000), "OSError"),
            Case("download({})", "GET", WrongLength(10, first=1), INTACT),
            Case("download({})", "GET", WrongLength(-10), "OSError"),
            Case("download({})", "GET", RedirectLoop(), "TooManyRedirects", times=21),
            # Neither the ETag nor the content is compared with anything.
            Case("download({})", "GET", WrongETag(), INTACT),
            Case("download({})", "GET", FlippedByte(), digest(flipped)),
            Case("snapshot({})", "GET", StatusFor(503, first=1), "LocalEntryNotFoundError"),
            Case("snapshot({})", "GET", Garbage(first=1), "JSONDecodeError"),
        ],
    )


def test_streams_try_again_until_the_body_begins(hub: LoopbackHub, client: Client) -> None:
    """Once it has begun, the retry inside `http_stream_backoff` is itself an error, which hides the first."""
    check(
        hub,
        client,
        [
            Case("stream({})", "GET", StatusFor(503, first=1), FIRST_100_000),
            Case("stream({})", "GET", Close(first=1), FIRST_100_000),
            Case("stream({})", "GET", Reset(first=1), FIRST_100_000),
            Case("stream({})", "GET", Stall(first=1), FIRST_100_000),
            Case("stream({})", "GET", Close(after=1000, first=1), "RuntimeError"),
            Case("stream({})", "GET", Reset(after=1000, first=1), "RuntimeError"),
            Case("stream({})", "GET", Stall(after=1000, first=1), "RuntimeError"),
            Case("stream({})", "GET", Truncated(1000), digest(WEIGHTS[:1000])),
            Case("stream({})", "GET", RangesIgnored(), INTACT),
        ],
    )


def test_an_interrupted_download_goes_on_or_starts_anew(hub: LoopbackHub, client: Client) -> None:
    kept = 10 << 20  # huggingface_hub writes whole pieces of this size: of a shorter file it keeps nothing
    content = WEIGHTS * 60
    rests = {"org/ranges": (206, len(content) - kept), "org/no-ranges": (200, len(content))}
    hub.fault(RangesIgnored(), on="GET /org/no-ranges/")
    for name in rests:
        hub.add_model(name, {"model.safetensors": content})
        hub.fault(Close(after=kept + 1000, first=1), on=f"GET /{name}/")
    assert client([f"download({name!r})" for name in rests]) == [digest(content)] * 2
    for name, rest in rests.items():
        log = [request for request in hub.log if request.method == "GET" and f"/{name}/" in request.path]
        gets = [(request.range, request.status, request.body_bytes) for request in log]
        assert gets == [(None, 200, kept + 1000), (f"bytes={kept}-", *rest)]
