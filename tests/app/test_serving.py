"""The doors of the page, without a browser; and the Space."""

from __future__ import annotations

import asyncio
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from shape_audit.app import AppOptions, serve
from shape_audit.app.serving import LARGEST_BODY, Doors
from shape_audit.errors import IncompleteError

SPACE = Path(__file__).resolve().parents[2] / "space"


async def _echo(scope: Any, receive: Any, send: Any) -> None:
    """An application that answers with the body it was sent."""
    body = (await receive())["body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def through(path: str, *parts: bytes, method: str = "POST") -> tuple[int, dict[str, str], bytes]:
    """What comes out where a body comes in parts: status, headers, body."""
    coming = [{"body": part, "more_body": number < len(parts)} for number, part in enumerate(parts, 1)]
    sent: list[dict[str, Any]] = []
    scope = {"type": "http", "path": path, "method": method}

    async def receive() -> Any:
        return coming.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    with ThreadPoolExecutor(1) as thread:  # a test of a browser, if one ran before, has left a loop in this one
        thread.submit(lambda: asyncio.run(Doors(_echo)(scope, receive, send))).result()
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, sent[1]["body"]


def test_only_the_pages_own_doors_are_open() -> None:
    assert through("/gradio_api/queue/join", b"{}")[0] == 200
    for path in (
        "/gradio_api/upload", "/gradio_api/file=/etc/passwd", "/gradio_api/proxy=https://evil.example", "/monitoring",
        "/gradio_api/run/look", "/gradio_api/call/look", "/gradio_api/runs", "/openapi.json", "/docs", "/login",
        "/gradio_api/queue/join/../../upload", "/gradio_api/mcp/sse",
    ):  # fmt: skip
        assert through(path, b"{}")[0] == 404, path


def test_a_long_body_is_refused_whatever_was_announced() -> None:
    half = b"x" * (LARGEST_BODY // 2)
    assert through("/gradio_api/queue/join", half, half)[2] == half + half
    assert through("/gradio_api/queue/join", half, half, b"x")[0] == 413


def test_a_browser_is_told_to_fetch_nothing_from_elsewhere() -> None:
    _, headers, _ = through("/", b"")
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'self'") and "http" not in policy and "*" not in policy
    assert headers["referrer-policy"] == "no-referrer"


def test_a_port_that_is_taken_ends_in_one_line() -> None:
    if find_spec("gradio") is None:
        pytest.skip("gradio (extra app) is not installed")

    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(IncompleteError, match="see --host, --port"):
        serve(AppOptions(port=taken.getsockname()[1]))


def test_the_space_has_what_the_hub_asks_of_one() -> None:
    head, text = re.fullmatch(r"---\n(.*?)---\n(.*)", (SPACE / "README.md").read_text(), re.DOTALL).groups()  # type: ignore[union-attr]
    facts = yaml.safe_load(head)
    constraints = (SPACE.parent / "constraints.txt").read_text()
    assert facts["sdk"] == "gradio" and f"gradio=={facts['sdk_version']}\n" in constraints
    assert (SPACE / facts["app_file"]).is_file() and facts["license"] == "apache-2.0"
    assert len(facts["short_description"]) <= 60 and {facts["colorFrom"], facts["colorTo"]} <= {
        "red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"
    }  # fmt: skip
    assert "shape-audit[app]" in (SPACE / "requirements.txt").read_text() and "SHAPE_AUDIT_APP_MEASURE_UP_TO" in text
