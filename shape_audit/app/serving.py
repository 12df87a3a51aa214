"""The page on a port: which doors are open, how much may come in by them, and what a browser may fetch."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from shape_audit.app.options import AppOptions
from shape_audit.app.reading_process import questions_folder
from shape_audit.errors import IncompleteError, MissingExtraError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST_BODY = 64 * 2**10
"""Bytes of a request: four names and a token have a hundredth of that."""
MOST_CONNECTIONS = 1000
"""Each visitor holds two or three."""
OPEN = re.compile(
    r"/|/config/?|/theme\.css|/favicon\.ico|/robots\.txt|/manifest\.json|/pwa_icon(/\d+)?|/(assets|static|svelte)/.*"
    r"|/gradio_api/(startup-events|queue/(join|data)|heartbeat/\w+|cancel|reset/?|app_id/?|theme\.css|info/?)"
)
"""What the page itself asks for. Gradio's other doors (uploads, files, a proxy, an API) stay shut."""
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' "
    "'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; object-src 'none'; base-uri 'self'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Nothing is fetched from elsewhere, and links tell nobody what was looked at. Gradio's own scripts are inline."""


def serve(options: AppOptions | None = None, ready: Callable[[str], None] | None = None) -> None:
    """Serve the page until the process is interrupted.

    Args:
        options: None for the defaults.
        ready: told the address as soon as it answers.

    Raises:
        MissingExtraError: gradio is not installed, or measuring is offered and torch is not.
        IncompleteError: the address cannot be served at.
    """
    options = options or AppOptions()
    if find_spec("gradio") is None:
        raise MissingExtraError("the page needs gradio: pip install 'shape-audit[app]'")
    if options.largest_measured and find_spec("torch") is None:
        raise MissingExtraError("--measure-up-to needs torch: pip install 'shape-audit[app,measure]'")
    # the port first: to import gradio takes seconds
    with _listening(options.host, options.port) as listener, questions_folder() as folder:
        import uvicorn

        config = uvicorn.Config(
            _application(options, folder), log_level="error", access_log=False, limit_concurrency=MOST_CONNECTIONS,
            timeout_graceful_shutdown=1, server_header=False,
        )  # fmt: skip
        host, port = listener.getsockname()[:2]
        if ready is not None:
            ready(f"http://{f'[{host}]' if ':' in host else host}:{port}")
        uvicorn.Server(config).run(sockets=[listener])


def _application(options: AppOptions, folder: Path) -> ASGIApp:
    import gradio as gr
    from fastapi import FastAPI

    from shape_audit.app.page import STYLE, page

    application = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    gr.mount_gradio_app(
        application, page(options, folder), path="/", theme=_theme(), css=STYLE.read_text(encoding="utf-8"),
        footer_links=[], run_history=False, show_error=False, max_file_size=1, ssr_mode=False, enable_monitoring=False,
        pwa=False, mcp_server=False,
    )  # fmt: skip
    return Doors(application)


def _theme() -> object:
    """Plain, in the system's own fonts: none is fetched."""
    import gradio as gr

    return gr.themes.Base(
        primary_hue="emerald", neutral_hue="zinc", radius_size="sm", spacing_size="sm",
        font=["system-ui", "-apple-system", "Segoe UI", "Liberation Sans", "DejaVu Sans", "sans-serif"],
        font_mono=["ui-monospace", "DejaVu Sans Mono", "monospace"],
    )  # fmt: skip


def _listening(host: str, port: int) -> socket.socket:
    """A socket that waits for visitors.

    Raises:
        IncompleteError: no such address here, or the port is taken.
    """
    try:
        family, *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise IncompleteError(
            f"{host}:{port}: cannot be served at ({error.strerror or error}); see --host, --port"
        ) from error


class Doors:
    """ASGI: shuts the doors that are not the page's, refuses long bodies, and says what a browser may fetch."""

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._application(scope, receive, send)
        elif scope["type"] == "http":  # a websocket is refused where nobody accepts it
            if not OPEN.fullmatch(scope["path"]):
                await _refuse(send, 404, b"not found")
            elif (body := await _body(scope, receive)) is None:
                await _refuse(send, 413, b"too long")
            else:
                await self._application(scope, _replayed(body, receive), _with_headers(send))


async def _body(scope: Scope, receive: Receive) -> bytes | None:
    """The whole body; None where it is too long, whatever was announced."""
    body = bytearray()
    if scope["method"] in ("GET", "HEAD"):
        return b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > LARGEST_BODY:
            return None
        if not message.get("more_body"):
            return bytes(body)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """What hands the body on, and then whatever comes: that the visitor has left."""
    waiting = [body]

    async def next_message() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return next_message


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            ours = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
            message = {**message, "headers": [*message.get("headers", ()), *ours]}
        await send(message)

    return sent


async def _refuse(send: Send, status: int, body: bytes) -> None:
    start = {"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]}
    await send(start)
    await send({"type": "http.response.body", "body": body})
