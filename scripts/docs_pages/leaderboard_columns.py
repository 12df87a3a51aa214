"""Reference of the leaderboard page's columns, from the words that the page itself shows."""

from __future__ import annotations

from scripts.docs_pages.markdown import cell, table
from shape_audit.leaderboard.page.data import column_words

LEAD = """# Columns of a leaderboard

What the columns of a [leaderboard's page](../tutorials/leaderboard.md) mean: the same words stand behind the “?” of
each header. A column is shown where some model of the board has a value; the two of scores, once for each protocol."""


def pages() -> dict[str, str]:
    """Path -> Markdown of the one page."""
    rows = [
        (cell(" ".join(filter(None, (words["title"], words.get("note"))))), cell(words["about"]))
        for words in column_words().values()
    ]
    return {"reference/leaderboard-columns.md": f"{LEAD}\n\n{table(('column', 'meaning'), rows)}\n"}
