"""What a push has done or would do, as text and as JSON."""

from __future__ import annotations

from dataclasses import asdict

from shape_audit.escaping import json_text, log_text, visible
from shape_audit.leaderboard.publish.push_plan import PushPlan, PushResult

LONGEST_LIST = 20
"""Names of unchanged and left-out files are many, and rarely what is looked for."""


def push_text(result: PushResult) -> str:
    """Lines with a final line end: a headline, then one a file."""
    plan = result.plan
    lines = [_headline(result)]
    if not plan.is_empty:
        width = max((len(f"{file.size:,}") for file in plan.upload), default=0)
        lines += [f"  {'add' if file.is_new else 'change':<6}  {file.size:>{width},} bytes  {file.path}"
                  for file in plan.upload]  # fmt: skip
        lines += [f"  delete  {path}" for path in plan.delete]
        if plan.unchanged:
            lines.append(f"  unchanged: {_listed(plan.unchanged)}")
    if plan.left_out:
        lines.append(f"  not part of a board, stays here: {_listed(plan.left_out)}")
    lines += [f"  note: {note}" for note in plan.notes]
    return "\n".join(log_text(visible(line)) for line in lines) + "\n"


def push_json(result: PushResult) -> str:
    """The whole result as one object; `bytes` is of all files that are to be sent."""
    content = asdict(result)
    content["plan"] |= {"is_empty": result.plan.is_empty, "bytes": result.plan.bytes_to_send}
    return json_text(content)


def _headline(result: PushResult) -> str:
    plan = result.plan
    if plan.is_empty and result.commit is None:
        return f"{plan.repo_id}: nothing has changed, no commit made ({result.address})"
    what = _counted(plan)
    if result.is_dry_run:
        where = {"new": "a new dataset repository", "existing": "the dataset", "not seen": "the dataset (not seen)"}
        return f"{plan.repo_id}: a push would send {what} to {where[plan.repository]}; nothing was sent"
    if result.pull_request is not None:
        return f"{plan.repo_id}: {what} proposed in {result.pull_request}"
    return f"{plan.repo_id}: {what} in commit {result.commit} ({result.address})"


def _counted(plan: PushPlan) -> str:
    files = f"{len(plan.upload)} file{'s' if len(plan.upload) != 1 else ''} ({plan.bytes_to_send:,} bytes)"
    return files + (f" and {len(plan.delete)} deleted" if plan.delete else "")


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:LONGEST_LIST])
    return shown if len(names) <= LONGEST_LIST else f"{shown} and {len(names) - LONGEST_LIST} more"
