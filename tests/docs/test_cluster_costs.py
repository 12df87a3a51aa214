"""The page's table of costs is what the script computes."""

from pathlib import Path

from benchmarks.cluster_costs import table

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "cluster.md"


def test_the_table_is_the_scripts() -> None:
    assert table() in PAGE.read_text(encoding="utf-8")
