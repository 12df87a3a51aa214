"""File downloads: `/{repo}/resolve/{revision}/{path}`, whole or by byte range.

The Hub sends LFS files from another host; here they come from the same address, with the headers that the Hub
puts on the redirect. No Xet header is sent, so clients download over plain HTTP.
"""

import re

from tests.loopback_hub.hub_error import HubError
from tests.loopback_hub.repository import Commit
from tests.loopback_hub.response import Response

_BYTE_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def download(commit: Commit, path: str, range_header: str | None) -> Response:
    """The file at `path`, or the part of it that a Range header asks for.

    Raises:
        HubError: 404 EntryNotFound; it carries the commit, by which clients remember that the file is absent.
    """
    origin = {"X-Repo-Commit": commit.sha}
    file = commit.files.get(path)
    if file is None:
        raise HubError(404, "EntryNotFound", "No such file at this revision", origin)
    headers = origin | {
        "ETag": f'"{file.etag}"',
        "Accept-Ranges": "bytes",
        "Content-Type": "application/octet-stream",
    }
    if file.lfs:
        headers |= {"X-Linked-Etag": f'"{file.etag}"', "X-Linked-Size": str(file.size)}

    span = requested_span(range_header, file.size)
    if span is None:
        return Response(200, headers, file.size, file.read())
    start, stop = span
    if start >= stop:
        return Response(416, headers | {"Content-Range": f"bytes */{file.size}"})
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{file.size}"
    return Response(206, headers, stop - start, file.read(start, stop))


def requested_span(range_header: str | None, size: int) -> tuple[int, int] | None:
    """First byte and the one after the last; empty if the file has none of them.

    None asks for the whole file: no header, or one that a server may ignore (malformed, or several ranges).
    """
    found = _BYTE_RANGE.fullmatch(range_header or "")
    if found is None or found[0] == "bytes=-":
        return None
    first, last = found.groups()
    if not first:
        return max(size - int(last), 0), size
    if last and int(last) < int(first):
        return None
    return int(first), min(int(last) + 1, size) if last else size
