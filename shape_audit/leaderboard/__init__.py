"""Manifest -> records -> table, page, dataset.

read_manifest(file)                          -> Manifest: models, scores, how to measure
build_leaderboard(manifest, folder)          -> Board: audits what is missing, reuses what is there
render(board, folder)                        table, page, dataset card, figures
page_html(board)                             -> the page alone
verify(folder), remeasure(folder, n)         -> what does not fit
differences(old, new)                        -> what has changed
"""

from shape_audit.leaderboard.building import BuildOptions, build_leaderboard, parse_shard
from shape_audit.leaderboard.differences import differences
from shape_audit.leaderboard.manifest import SHIPPED_MANIFEST, Manifest, read_manifest
from shape_audit.leaderboard.missing_audits import BuildProgress
from shape_audit.leaderboard.page import page_html
from shape_audit.leaderboard.rendering import read_board, render
from shape_audit.leaderboard.verification import remeasure, verify

__all__ = [
    "SHIPPED_MANIFEST",
    "BuildOptions",
    "BuildProgress",
    "Manifest",
    "build_leaderboard",
    "differences",
    "page_html",
    "parse_shard",
    "read_board",
    "read_manifest",
    "remeasure",
    "render",
    "verify",
]
