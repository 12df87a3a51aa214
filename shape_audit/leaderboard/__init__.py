"""Manifest -> records -> table, page, dataset.

read_manifest(file)                          -> Manifest: models, scores, how to measure
build_leaderboard(manifest, folder)          -> Board: audits what is missing, reuses what is there
render(board, folder)                        table, page, dataset card, figures
page_html(board)                             -> the page alone
verify(folder), remeasure(folder, n)         -> what does not fit
push(folder, "org/name")                     a rendered board -> a dataset repository on the Hub, in one commit
model_card_section(row, ...)                 one row -> Markdown for that model's card
model_card_metadata(row)                     its scores -> the YAML header of a model card
differences(old, new)                        -> what has changed
"""

from shape_audit.leaderboard.build.assembling import NOT_AUDITED, why_no_evidence
from shape_audit.leaderboard.build.board_folder import find_row, read_board, read_rendered
from shape_audit.leaderboard.build.building import build_leaderboard
from shape_audit.leaderboard.build.differences import differences
from shape_audit.leaderboard.build.few_windows import without_intervals
from shape_audit.leaderboard.build.missing_audits import BuildProgress
from shape_audit.leaderboard.build.options import BuildOptions
from shape_audit.leaderboard.build.verification import remeasure, verify
from shape_audit.leaderboard.manifest import SHIPPED_MANIFEST, Manifest, read_manifest
from shape_audit.leaderboard.page.html import page_html
from shape_audit.leaderboard.page.model_card import model_card_metadata, model_card_section
from shape_audit.leaderboard.page.rendering import render
from shape_audit.leaderboard.publish.options import PushOptions
from shape_audit.leaderboard.publish.publishing import push
from shape_audit.leaderboard.publish.push_plan import PushResult
from shape_audit.leaderboard.publish.push_report import push_json, push_text

__all__ = [
    "NOT_AUDITED",
    "SHIPPED_MANIFEST",
    "BuildOptions",
    "BuildProgress",
    "Manifest",
    "PushOptions",
    "PushResult",
    "build_leaderboard",
    "differences",
    "find_row",
    "model_card_metadata",
    "model_card_section",
    "page_html",
    "push",
    "push_json",
    "push_text",
    "read_board",
    "read_manifest",
    "read_rendered",
    "remeasure",
    "render",
    "verify",
    "why_no_evidence",
    "without_intervals",
]
