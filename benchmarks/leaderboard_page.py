"""What the leaderboard's page costs: writing it for 10,000 models, and in a browser first paint and first sort.

Writing: a process of its own makes the board's models and then the page; time of `page_html` alone, peak memory of the
whole process, with a tenth of the models measured at 25 sites. In the browser: headless Chromium opens pages of 2,000
and of 10,000 models from disk, a fresh one each time, and says when it first painted; then the header of R_D/W is
clicked, and the frame after the table is drawn anew waited for.

.venv/bin/python benchmarks/leaderboard_page.py [--save]
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.reporting import heading, publish
from shape_audit.leaderboard import page_html
from shape_audit.records import Board
from tests.leaderboard.boards import measurement, row, small_board

WRITTEN = 10_000
OPENED = (2_000, 10_000)
REPEATS = 7
MEASURED_EVERY = 10
PAINT_AND_SORT = """() => new Promise((resolve) => {
  const paint = performance.getEntriesByName("first-contentful-paint")[0].startTime;
  const ready = performance.getEntriesByType("navigation")[0].domContentLoadedEventEnd;
  const table = new DataTable.Api("#board");
  const head = document.querySelector("[data-about=r_dw]").closest("th");
  const started = performance.now();
  table.one("draw", () => requestAnimationFrame(() => setTimeout(() =>
    resolve([paint, ready, performance.now() - started]))));
  head.querySelector(".dt-column-order").click();
})"""


def board_of(models: int) -> Board:
    """Invented models with one score each, every tenth of them measured."""
    return small_board(
        [
            row(number, f"lab-{number % 97}/model-{number:05d}",
                **({"measured": measurement(number % 30, 24, 1024), "num_hidden_layers": 24, "hidden_size": 1024}
                   if number % MEASURED_EVERY == 0 else {}))
            for number in range(models)
        ]
    )  # fmt: skip


def written(models: int) -> dict[str, float]:
    """Seconds of the first and of a second `page_html`, megabytes of the page and of the process at its peak."""
    board = board_of(models)
    took = []
    for _ in range(2):
        started = time.perf_counter()
        page = page_html(board)
        took.append(time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"first": took[0], "second": took[1], "page_mb": len(page.encode()) / 1e6, "peak_mb": peak}


def opened(folder: Path) -> tuple[dict[int, list[list[float]]], str]:
    """Number of models -> milliseconds to the first paint, to the table and of the first sort, page by page; and the
    browser's version."""
    from playwright.sync_api import sync_playwright

    found: dict[int, list[list[float]]] = {models: [] for models in OPENED}
    for models in OPENED:
        (folder / f"{models}.html").write_text(page_html(board_of(models)), encoding="utf-8")
    with sync_playwright() as session:
        browser = session.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for _ in range(REPEATS):
            for models, runs in found.items():
                page = browser.new_page(viewport={"width": 1280, "height": 900})
                page.set_default_timeout(0)
                page.goto((folder / f"{models}.html").as_uri(), wait_until="load")
                runs.append(page.evaluate(PAINT_AND_SORT))
                page.close()
        return found, browser.version


def main() -> None:
    if "--written" in sys.argv:
        print(json.dumps(written(WRITTEN)))
        return
    done = subprocess.run([sys.executable, __file__, "--written"], check=True, capture_output=True, text=True)
    wrote = json.loads(done.stdout)
    with TemporaryDirectory() as folder:
        times, version = opened(Path(folder))
    table = (
        "| models | first paint after | table after | first sort, click to next frame |\n| --- | --- | --- | --- |\n"
    )
    for models, runs in times.items():
        paint, ready, sort = (statistics.median(part) for part in zip(*runs, strict=True))
        table += f"| {models:,} | {paint:,.0f} ms | {ready:,.0f} ms | {sort:,.0f} ms |\n"
    text = heading("The leaderboard's page")
    text += (
        f"\nWriting {WRITTEN:,} models (every tenth measured at 25 sites): {wrote['first']:.1f} s, libraries read "
        f"for the first time, {wrote['second']:.1f} s again; {wrote['page_mb']:.1f} MB of HTML; the process peaks at "
        f"{wrote['peak_mb']:,.0f} MB. Target: a few seconds, under 1 GB.\n\n"
        f"Chromium {version}, medians of {REPEATS} fresh pages. Targets: first paint under 1 s; first sort of 2,000 "
        f"models under 200 ms. Load of the machine then, over a minute: {os.getloadavg()[0]:.1f}.\n\n{table}\n"
        f"```json\n{json.dumps({'written': wrote, 'paint_table_sort_ms': times}, sort_keys=True)}\n```"
    )
    publish(__file__, text)


if __name__ == "__main__":
    main()
