"""An exception in the one line that a visitor reads: what a command line would advise is not theirs to do."""

from __future__ import annotations

from shape_audit.errors import NotFoundError, did_you_mean, explained
from shape_audit.escaping import on_a_line

LONGEST_LINE = 400
"""Characters."""
_TERMINAL = {
    "log in with `hf auth login` (or set HF_TOKEN)": "give a token of yours under Options",
    "log in with `hf auth login`": "give a token of yours under Options",
    "Is your token still valid? See `hf auth login`": "Is your token still valid?",
    ", or set HF_HUB_OFFLINE=1 for what was audited before": "",
    ". Lower --micro-batch, --batch or --seq-len, or try --device-map disk": ": it takes more than this server gives",
    ". --shape-only shows its shape": "",
    "pip install 'shape-audit[measure]'": "this server does not have it",
}
"""Advice for a terminal -> what a visitor of a page can do."""


def line_for_visitor(error: Exception, name: str) -> str:
    """What went wrong with a model, and what a visitor can do about it.

    Args:
        name: of the model; the line begins with it.
    """
    known = explained(error, name)
    if known is None:
        return on_a_line(
            f"{name}: it could not be read ({type(error).__name__}); this is a bug in shape-audit", LONGEST_LINE
        )
    line = str(known)
    for advice, instead in _TERMINAL.items():
        line = line.replace(advice, instead)
    if isinstance(known, NotFoundError):
        from shape_audit.shape import known_models

        line += did_you_mean(name, (one for one in known_models() if one != name))
    return on_a_line(line, LONGEST_LINE)
