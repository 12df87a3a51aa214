"""The site: built strictly, every link of it leads somewhere, and it fetches nothing from a network.

Building takes long; `scripts/docs` does it on every push, with the same look at its links.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.check_site import faults
from shape_audit.checks import RULES
from shape_audit.cli.app import COMMANDS
from tests.docs.fences import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("material", reason="mkdocs-material (extra docs) is not installed: no site")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    settings = os.environ | {"PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1", "no_proxy": "*"}
    done = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.long
def test_links_lead_somewhere_and_nothing_is_fetched(site: Path) -> None:
    assert faults(site) == []


@pytest.mark.long
def test_every_rule_and_command_has_a_page(site: Path) -> None:
    reference = site / "reference"
    assert {path.stem for path in (reference / "rules").glob("SA*.html")} == set(RULES)
    pages = {path.stem.partition("-")[0] for path in (reference / "commands").glob("*.html")} - {"index"}
    assert pages == set(COMMANDS)


@pytest.mark.long
def test_parts_of_the_reference_lead_to_the_pages_of_the_site(site: Path) -> None:
    for page, target in (("index.html", "reference/rules/index.html"), ("reference/index.html", "records/index.html")):
        assert f'href="{target}"' in (site / page).read_text(encoding="utf-8").partition("<article")[2]


def test_a_broken_site_is_found_out(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(
        '<a href="gone.html">x</a><a href="#nowhere">x</a><script src="https://cdn.example/x.js"></script>'
        "<p>```shell notest"
    )
    assert [fault.partition(": ")[2] for fault in sorted(faults(tmp_path))] == [
        "#nowhere is not there", "code stands as prose, with its fence", "fetches https://cdn.example/x.js",
        "gone.html is not there",
    ]  # fmt: skip
