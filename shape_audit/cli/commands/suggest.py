"""`shape-audit suggest`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from shape_audit.cli.failures import failed
from shape_audit.cli.option import option
from shape_audit.cli.sink import emit, note
from shape_audit.errors import ExitCode, UsageError
from shape_audit.records import ShapeSuggestion
from shape_audit.reports import as_json, suggestion_markdown, suggestion_text
from shape_audit.shape import DEFAULT_FAMILY, DEFAULT_TOP, suggest, write_config


def command(
    params: Annotated[str, option(metavar="N", help="The budget: 300k, 1.2B, 1e9.")],
    non_embedding: Annotated[
        bool, option("--non-embedding", help="The budget is without embedding and unembedding.")
    ] = False,
    family: Annotated[
        str, option(help="llama, mistral, qwen2, qwen3, gemma, gemma3_text, gpt2 or gpt_neox.")
    ] = DEFAULT_FAMILY,
    vocab: Annotated[
        int | None, option(help="Tokens, padded to a multiple of 64.  [default: the family's]")
    ] = None,
    head_dim: Annotated[
        int | None, option(help="A multiple of 8.  [default: 128 or 64, whichever fits; gemma: 256 or 128]")
    ] = None,
    tied: Annotated[
        bool | None,
        option("--tied/--untied", help="Embedding and output matrix are one.  [default: as the family at this size]"),
    ] = None,
    interval: Annotated[Path | None, option(metavar="FILE", help="Another interval than the shipped one.")] = None,
    tolerance: Annotated[float, option(help="How far a shape may miss the budget, as a fraction.")] = 0.03,
    top: Annotated[int, option(help="Shapes to show.")] = DEFAULT_TOP,
    config_folder: Annotated[
        Path | None, option("--write-config", metavar="DIR", help="Write config.json of the first shape there.")
    ] = None,
    choose: Annotated[int | None, option(metavar="K", help="With --write-config: of the K-th instead.")] = None,
    format: Annotated[
        Literal["text", "json", "markdown"], option("--format", "-f", help="Form of the report.")
    ] = "text",
    output: Annotated[Path | None, option("--output", "-o", metavar="FILE", help="Write the report here.")] = None,
    debug: Annotated[bool, option("--debug", help="Show tracebacks.")] = False,
) -> int:  # fmt: skip
    """Suggest shapes inside the efficient interaction interval for a number of parameters.

    Beside them stand the existing models nearest to the first. The order of the shapes is about hardware and budget,
    not about how well they would train: the evidence does not tell.
    """
    try:
        if choose is not None and config_folder is None:
            raise UsageError("--choose says which config to write: it needs --write-config")
        suggestion = suggest(
            params, non_embedding=non_embedding, family=family, vocab_size=vocab, head_dim=head_dim, tied=tied,
            interval=interval, tolerance=tolerance, top=top,
        )  # fmt: skip
        if config_folder is not None:
            chosen = 1 if choose is None else choose
            note(f"config of shape {chosen}: {_written(suggestion, chosen, config_folder)}")
        forms = {"text": suggestion_text, "json": as_json, "markdown": suggestion_markdown}
        emit(forms[format](suggestion), output)
    except Exception as error:
        return failed(error, subject="shape-audit suggest", debug=debug)
    return ExitCode.CLEAN


def _written(suggestion: ShapeSuggestion, chosen: int, folder: Path) -> Path:
    """The config.json of one of the shapes."""
    if not 1 <= chosen <= len(suggestion.shapes):
        raise UsageError(f"--choose {chosen}: there are shapes 1 to {len(suggestion.shapes)}; see --top")
    return write_config(suggestion.shapes[chosen - 1].config, folder)
