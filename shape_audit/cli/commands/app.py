"""`shape-audit app`"""

from __future__ import annotations

from shape_audit.app import AppOptions
from shape_audit.cli.declaring import command
from shape_audit.cli.sink import note
from shape_audit.errors import ExitCode


@command("shape-audit app")
def serve_app(options: AppOptions) -> int:
    """Serve a page to try models on, in a browser: type a name, see its shape and what that costs.

    Visitors may name models of the Hub and those that ship, never folders of this machine. The Hub is asked with the
    visitor's own token or none, never with this machine's, and nothing of a visitor is kept.
    """
    from shape_audit.app import serve

    serve(options, ready=lambda address: note(f"serving at {address} (Ctrl-C ends it)"))
    return ExitCode.CLEAN
