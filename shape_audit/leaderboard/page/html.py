"""A board as one HTML file that opens from disk and asks the network for nothing.

The text stands in the HTML; the models stand in one block of JSON, from which DataTables and plotly.js make table and
plots in the browser. The same board gives the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from string import Template
from typing import Any

from shape_audit.escaping import all_visible, html
from shape_audit.leaderboard.build.few_windows import has_intervals
from shape_audit.leaderboard.page.data import page_data
from shape_audit.leaderboard.page.libraries import PLOTS, TABLE, TABLE_STYLE, credits, library
from shape_audit.leaderboard.page.prose import (
    evidence_html,
    few_windows_html,
    filters_html,
    interval_html,
    provenance_html,
    verdict_html,
)
from shape_audit.records import Board
from shape_audit.shipped import DATA

SCRIPTS = tuple(f"leaderboard_{part}.js" for part in ("cells", "table", "plots", "comparison", "address", "columns"))


def page_html(board: Board) -> str:
    """The page, with a final line end."""
    glue = _inline("\n".join((DATA / name).read_text(encoding="utf-8") for name in SCRIPTS))
    plotly, tables = _inline(library(PLOTS)), [_inline(library(name)) for name in TABLE]
    hashes = " ".join(_csp_hash(script) for script in (*tables, glue, plotly))
    page = Template((DATA / "leaderboard_page.html").read_text(encoding="utf-8"))
    return page.substitute(
        csp=f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'",
        credits=html(credits()),
        css=library(TABLE_STYLE) + (DATA / "leaderboard_page.css").read_text(encoding="utf-8"),
        data=_json(all_visible(page_data(board))),
        datatables="</script>\n<script>".join(tables),
        evidence=evidence_html(board),
        few_windows=few_windows_html(board),
        filters=filters_html(board),
        glue=glue,
        interval=interval_html(board),
        n_models=f"{len(board.rows):,}",
        plotly=plotly,
        provenance=provenance_html(board),
        title=html(board.title),
        verdict=verdict_html(board),
        with_interval=" with its 95 % interval" if has_intervals(board.rows) else "",
    )


def _json(content: Any) -> str:
    """JSON that ends no script element and opens none, whatever a name holds."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _inline(script: str) -> str:
    """A script as it may stand in an HTML file: with line ends as the parser would make them, since its hash counts."""
    return re.sub(r"</(script)", r"<\\/\1", script.replace("\r\n", "\n").replace("\r", "\n"), flags=re.IGNORECASE)


def _csp_hash(script: str) -> str:
    """What the content security policy knows a script by: nothing but these can run, whatever a name smuggles in."""
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
