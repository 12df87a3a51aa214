"""Check a built site: every link and picture is there, no page fetches anything from a network, no code is prose.

.venv/bin/python scripts/check_site.py build/site
"""

from __future__ import annotations

import posixpath
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class _Page(HTMLParser):
    """What one page names: places to go to, files that a browser fetches to show it, and its own anchors."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.anchors: set[str] = set()
        self.has_open_fence = "<p>```" in text
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "link" and given.get("rel") not in ("canonical", "prev", "next"):
            self.fetched.append(given.get("href", ""))
        elif "src" in given:
            self.fetched.append(given["src"])


def faults(site: Path) -> list[str]:
    """What is wrong, a line each: a page and the address in it."""
    files = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
    pages = {name: _Page((site / name).read_text(encoding="utf-8")) for name in sorted(files) if name.endswith(".html")}
    found = []
    for name, page in pages.items():
        found += [f"{name}: fetches {address}" for address in page.fetched if urlsplit(address).netloc]
        found += [f"{name}: code stands as prose, with its fence"] * page.has_open_fence
        for address in {*page.links, *page.fetched}:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue  # of another site
            target = posixpath.normpath(posixpath.join(posixpath.dirname(name), unquote(parts.path))).lstrip("/")
            target = target if parts.path else name
            anchor = unquote(parts.fragment)
            if target not in files or (anchor and target in pages and anchor not in pages[target].anchors):
                found.append(f"{name}: {address} is not there")
    return found


if __name__ == "__main__":
    wrong = faults(Path(sys.argv[1]))
    print("\n".join(wrong), file=sys.stderr)
    sys.exit(1 if wrong else 0)
