"""Sockets: receives requests, hands them to the hub, sends what it answers."""

import fcntl
import select
import socket
import struct
import sys
import termios
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from tests.loopback_hub.delivery import Ending
from tests.loopback_hub.request_log import Request, RequestLog
from tests.loopback_hub.response import Response


@dataclass(frozen=True)
class Incoming:
    """A request as read from the connection."""

    method: str
    path: str
    query: str
    headers: Message
    body: bytes


class HubServer(ThreadingHTTPServer):
    """Serves on a port of 127.0.0.1, an ephemeral one by default, from construction on, until `stop()`."""

    daemon_threads = True
    request_queue_size = 64  # snapshot_download opens eight connections at once

    def __init__(self, answer: Callable[[Incoming], Response], log: RequestLog, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Connection)
        self.answer, self.log = answer, log
        self._open: set[socket.socket] = set()
        self._thread = Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close the port and every connection, idle ones too: a client that kept one finds the hub gone."""
        self.shutdown()
        self._thread.join()
        self.server_close()
        for connection in list(self._open):
            with suppress(OSError):  # closed by its own thread meanwhile
                connection.shutdown(socket.SHUT_RDWR)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Note the connection before its thread starts, so that `stop` misses none."""
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget a connection that ends."""
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error; anything else is a bug here and is printed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Connection(BaseHTTPRequestHandler):
    """One keep-alive connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two writes: Nagle would hold the second back 40 ms
    server: HubServer

    def do_GET(self) -> None:
        """Receive, answer, send, end.

        The answer is complete before `_send`, the only place that writes to the socket. A fault that replaces an
        answer belongs into `answer`; one that spoils its delivery says so in `Response.delivery`.
        """
        incoming = self._receive()
        response = self.server.answer(incoming)
        self._send(incoming, response)
        self._end(response)

    do_HEAD = do_POST = do_PUT = do_GET

    def _receive(self) -> Incoming:
        path, _, query = self.path.partition("?")
        is_chunked = self.headers.get("Transfer-Encoding", "").lower() == "chunked"
        body = self._chunks() if is_chunked else self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return Incoming(self.command, path, query, self.headers, body)

    def _chunks(self) -> bytes:
        """A body that comes in pieces, each after its length, the last one empty."""
        body = bytearray()
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return bytes(body)

    def _send(self, incoming: Incoming, response: Response) -> None:
        delivery = response.delivery
        length = 0 if incoming.method == "HEAD" else delivery.length(response.length)
        declared = response.length if delivery.declared_length is None else delivery.declared_length
        span = incoming.headers.get("Range")
        status = response.status if delivery.head else 0
        request = Request(incoming.method, incoming.path, incoming.query, span, status, length, response.fault)
        self.server.log.add(request)
        if not delivery.head:
            return
        sent = 0
        try:
            self.send_response(response.status)
            for name, value in response.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(declared))
            self.end_headers()
            for portion in delivery.portions(response.chunks) if length else ():
                if delivery.pause_s and self._client_left(delivery.pause_s):
                    break
                self.wfile.write(portion)
                sent += len(portion)
        finally:
            if sent != length:
                self.server.log.cut_short(request, sent)
                self.close_connection = True

    def _end(self, response: Response) -> None:
        ending = response.delivery.ending
        if ending is not Ending.KEEP:
            self.close_connection = True
        if ending is Ending.STALL:
            self._client_left(response.delivery.stall_s)
        elif ending is Ending.RESET:
            self._reset()

    def _client_left(self, seconds: float) -> bool:
        """Wait this long, or until the connection is ended by the client or by `stop`.

        An ended connection reads as empty. Bytes would wake this too, but no client here sends a second request
        before it has the answer to the first.
        """
        return bool(select.select([self.connection], [], [], seconds)[0])

    def _reset(self) -> None:
        """Close with RST. What was written is waited for first: a reset throws away what is not delivered."""
        patience = time.monotonic() + 5
        with suppress(OSError):
            while time.monotonic() < patience and _undelivered(self.connection):
                time.sleep(0.001)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()  # it holds the connection open
        self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on stderr: the request log has it all."""


def _undelivered(connection: socket.socket) -> int:
    """How many bytes were written that the other side's kernel has not acknowledged."""
    return int(struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)))[0])
