"""Manifest -> records -> table, page, dataset.

push(folder, "org/name")       a rendered leaderboard -> a dataset repository on the Hub, in one commit
model_card_section(row, ...)   one row of a board -> Markdown for that model's card
model_card_metadata(row)       its scores -> the YAML header of a model card
"""

from shape_audit.leaderboard.board_folder import RenderedBoard, find_row, read_board, read_rendered
from shape_audit.leaderboard.model_card import model_card_metadata, model_card_section
from shape_audit.leaderboard.publishing import push
from shape_audit.leaderboard.push_plan import PlannedFile, PushPlan, PushResult
from shape_audit.leaderboard.push_report import push_json, push_text

__all__ = [
    "PlannedFile",
    "PushPlan",
    "PushResult",
    "RenderedBoard",
    "find_row",
    "model_card_metadata",
    "model_card_section",
    "push",
    "push_json",
    "push_text",
    "read_board",
    "read_rendered",
]
