"""`shape-audit suggest`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from shape_audit.cli.declaring import Format, Output, command, flag, output_flag
from shape_audit.cli.sink import emit, note
from shape_audit.errors import ExitCode, UsageError
from shape_audit.records import ShapeSuggestion
from shape_audit.reports import as_json, suggestion_markdown, suggestion_text
from shape_audit.shape import SuggestOptions, suggest, write_config


@command("shape-audit suggest")
def suggest_shapes(
    params: Annotated[str, flag(metavar="N", rich_help_panel="Budget", help="The budget: 300k, 1.2B, 1e9.")],
    options: SuggestOptions,
    config_folder: Annotated[
        Path | None,
        output_flag("--write-config", metavar="DIR", help="Directory for the config.json of the first shape."),
    ] = None,
    choose: Annotated[int | None, output_flag(metavar="K", help="With --write-config, write the K-th shape.")] = None,
    format: Format = "text",
    output: Output = None,
) -> int:  # fmt: skip
    """Suggest shapes for a number of parameters, ordered by what they cost in loss.

    Beside each stand its loss at equal training time, and whether any other is both faster to train and better; beside
    all of them, the existing models nearest to the first.
    """
    if choose is not None and config_folder is None:
        raise UsageError("--choose says which config to write: it needs --write-config")
    suggestion = suggest(params, options)
    if config_folder is not None:
        chosen = 1 if choose is None else choose
        note(f"config of shape {chosen}: {_written(suggestion, chosen, config_folder)}")
    forms = {"text": suggestion_text, "json": as_json, "markdown": suggestion_markdown}
    emit(forms[format](suggestion), output)
    return ExitCode.CLEAN


def _written(suggestion: ShapeSuggestion, chosen: int, folder: Path) -> Path:
    """The config.json of one of the shapes."""
    if not 1 <= chosen <= len(suggestion.shapes):
        raise UsageError(f"--choose {chosen}: there are shapes 1 to {len(suggestion.shapes)}; see --top")
    return write_config(suggestion.shapes[chosen - 1].config, folder)
