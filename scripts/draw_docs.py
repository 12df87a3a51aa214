"""Draw the pictures of README and docs/ anew, from what ships: scripts/draw_docs.py [report] [figures] [page] [app].

The report is rich's own export, page and app are seen by headless Chromium (scripts/browser), the figures are those
that the commands' `--figures` draw, and one of the paper's tiny GPTs.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import shape_audit
from shape_audit.auditing import write_use_figure
from shape_audit.drawing import write_drawings
from shape_audit.interval import derive_interval, write_figures
from shape_audit.interval.random_basis import effective_rank
from shape_audit.leaderboard import build_leaderboard, read_board, read_manifest, render
from shape_audit.reports import audit_text
from shape_audit.reports.rich_tables import FittedTable
from shape_audit.reports.tables import interaction_table
from shape_audit.shipped import rows
from shape_audit.yardsticks import write_yardstick_figures, yardstick_report

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ASSETS = Path(__file__).resolve().parents[1] / "docs" / "assets"
MODEL = "builtin:bytes-1m"
FOUR = ("builtin:bytes-1m", "builtin:zoo-300k-1x144", "builtin:zoo-300k-4x80", "builtin:zoo-300k-16x40")
FETCHED_FONT = re.compile(r"@font-face \{.*?\}\n", re.DOTALL)
"""Rich's picture would fetch its font from a network; a monospaced one of the reader's does as well."""


def main(wanted: set[str]) -> None:
    """Draw all that is wanted, or everything where nothing is named."""
    record = shape_audit.audit(MODEL, use=True) if wanted & {"report", "figures"} else None
    with tempfile.TemporaryDirectory() as folder:
        if record and "report" in wanted:
            (ASSETS / "report.svg").write_text(_report(record), encoding="utf-8")
        if record and "figures" in wanted:
            for picture, file in _figures(record, Path(folder)).items():
                shutil.copyfile(file, ASSETS / f"{picture}.svg")
        if "page" in wanted:
            (ASSETS / "page.png").write_bytes(_page(Path(folder)))
        if "app" in wanted:
            (ASSETS / "app.png").write_bytes(_app())


def _figures(record: shape_audit.AuditRecord, folder: Path) -> dict[str, Path]:
    """Name in docs/assets -> what was drawn."""
    write_yardstick_figures(yardstick_report("gemstones"), folder)
    write_figures(derive_interval(), None, folder)
    write_drawings({"random-basis": _random_basis}, folder)
    return {
        "shape-cost": folder / "cost_against_r_dw.svg",
        "interval": folder / "loss_against_r_dw.svg",
        "random-basis": folder / "random-basis.svg",
        "use": next(path for path in write_use_figure(record, folder) if path.suffix == ".svg"),
    }


def _report(record: shape_audit.AuditRecord) -> str:
    """The verdict and the table of sites, as a terminal shows them."""
    from rich._export_format import CONSOLE_SVG_FORMAT
    from rich.console import Console, Group
    from rich.text import Text

    report, sites = audit_text(record), interaction_table(record)
    assert isinstance(report, Group) and sites is not None
    parts = list(report.renderables)
    verdict = parts[: parts.index(Text())]
    console = Console(record=True, width=100, file=io.StringIO(), highlight=False)
    console.print(Group(*verdict, Text(), FittedTable(sites)))
    form = FETCHED_FONT.sub("", CONSOLE_SVG_FORMAT)
    return console.export_svg(title=f"shape-audit audit {MODEL} --use", code_format=form, unique_id="report")


def _random_basis() -> Figure:
    """AOFE-ratio of the paper's tiny GPTs against what a random basis has."""
    import numpy as np
    from matplotlib.figure import Figure

    models = rows("tiny_gpt_scan")
    names = ("aofe", "aofe_ratio", "mean_cos2", "hidden_size")
    aofe_N, ratio_N, cos2_N, width_N = (np.array([float(row[name]) for row in models]) for name in names)
    basis_N = 1 - (effective_rank(aofe_N, ratio_N, cos2_N) + 2) / (width_N + 2)
    figure = Figure(figsize=(5, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.axline((1, 1), slope=1, color="0.6", linewidth=1)
    axes.plot(basis_N, ratio_N, "o", markersize=5)
    axes.set_xlabel("random basis: 1 - (PR + 2) / (d + 2)")
    axes.set_ylabel("AOFE-ratio, as published")
    axes.set_title(
        f"{len(models)} GPTs of 3M parameters: correlation {np.corrcoef(basis_N, ratio_N)[0, 1]:.3f}", fontsize=9
    )
    return figure


def _page(folder: Path) -> bytes:
    """The page of the shipped leaderboard."""
    build_leaderboard(read_manifest(None), folder)
    render(read_board(folder), folder)

    def table(page: Any) -> None:
        page.locator("#board tbody tr").first.wait_for()
        box = page.locator("#table-scroll")
        box.evaluate("(box) => scrollTo({ top: box.getBoundingClientRect().top - 60, behavior: 'instant' })")

    return _seen((folder / "index.html").as_uri(), table, height=720)


def _app() -> bytes:
    """The app with four models side by side."""
    command = [sys.executable, "-m", "shape_audit", "app", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        address = re.search(r"http://\S+", server.stderr.readline() if server.stderr else "")
        assert address
        query = "&".join(f"model={name}" for name in FOUR)
        try:
            return _seen(
                f"{address[0]}/?{query}", lambda page: page.locator(".card .check").nth(3).wait_for(), height=1080
            )
        finally:
            server.terminate()


def _seen(address: str, ready: Callable[[Any], None], *, height: int) -> bytes:
    """What Chromium shows at an address, as a PNG of few colours.

    Args:
        ready: waits until it is to be seen.
    """
    from PIL import Image
    from playwright.sync_api import sync_playwright

    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as session:
        browser = session.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"])
        page = browser.new_page(viewport={"width": 1280, "height": height}, color_scheme="light")
        page.set_default_timeout(600_000)
        page.goto(address)
        ready(page)
        seen = Image.open(io.BytesIO(page.screenshot()))
        browser.close()
    small = io.BytesIO()
    seen.quantize(64).save(small, "PNG", optimize=True)
    return small.getvalue()


if __name__ == "__main__":
    main(set(sys.argv[1:]) or {"report", "figures", "page", "app"})
