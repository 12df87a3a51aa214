"""A small Hugging Face Hub on 127.0.0.1, for tests that run the real clients.

It speaks the part of the Hub's HTTP API that reading needs (repository facts, file trees, downloads with ranges, the
Hub's own error codes) and what writing needs: making a repository, uploading through plain LFS, commits, pull requests,
tokens with roles. huggingface_hub, transformers and datasets work against it unmodified; clients that write are run
with HF_HUB_DISABLE_XET=1.
Point `HF_ENDPOINT` at `LoopbackHub().endpoint` in a process started afterwards: clients read that variable
when they are imported.

    with LoopbackHub() as hub:
        sha = hub.add_model("org/name", {"config.json": b"{}"})
        ...                               # run a client with HF_ENDPOINT=hub.endpoint
        assert "/api/models/org/name" in [request.path for request in hub.log]

What goes wrong on the way to a Hub is in `faults`: refusals, broken and stalled connections, wrong answers.

        armed = hub.fault(StatusFor(503, first=2), on="GET /resolve/")
        ...                               # the third download succeeds
        assert armed.times_applied == 2
"""

from tests.loopback_hub.hub import LoopbackHub
from tests.loopback_hub.request_log import Request

__all__ = ["LoopbackHub", "Request"]
