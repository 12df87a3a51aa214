"""Scoring a model: which commit, whether it can be scored at all, lm-eval's run, and proof that it was saved whole.

shape_audit.score("org/name", results=Path("scores"), limit=20).record     # ScoreRecord
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shape_audit.errors import IncompleteError, MissingExtraError, NotAuditableError, UsageError
from shape_audit.hub import Checkpoint, read_checkpoint, tokenizer_folder, weights_folder
from shape_audit.records import ModelRef, ScoreRecord, check_writable, safe_file_name
from shape_audit.scores.lm_eval_files import COT, LETTERS, MADE_BY
from shape_audit.scores.options import ScoreOptions
from shape_audit.scores.questions import read_questions
from shape_audit.scores.score_files import read_lm_eval
from shape_audit.shape import describe

if TYPE_CHECKING:
    from shape_audit.scores.harness import HarnessRun

TASKS = {"letters": LETTERS, "cot": COT}
"""--protocol -> lm-eval's stock task."""
STOCK_GENERATION = 2048
"""Tokens that the stock task mmlu_pro generates at most."""
PACKAGES = ("lm_eval", "torch", "transformers", "datasets")


@dataclass(frozen=True)
class ScoreRun:
    """A finished run: its score, and the files of lm-eval it was read from."""

    record: ScoreRecord
    results_file: Path


def score(model: str | Path | ModelRef, options: ScoreOptions | None = None, **changes: Any) -> ScoreRun | None:
    """Run MMLU-Pro on a model with lm-eval, and read the score from the file that lm-eval wrote.

    Under `accelerate launch` the questions are shared among its GPUs; all processes but the first return None.

    Args:
        model: `org/name`, `org/name@revision`, a folder, or `builtin:NAME`.
        options: all options at once.
        **changes: single options by name, see `ScoreOptions`; only where `options` is not given.

    Raises:
        MissingExtraError: the extra `eval` is not installed.
        NotAuditableError: not a causal LM, pickled weights only, code of the repository required.
        UsageError: options that are not valid for this model.
        IncompleteError: questions or weights cannot be had, or lm-eval did not save what it should have.
        CorruptFileError: weights are damaged.
    """
    options = ScoreOptions.given(options, changes, "score()")
    if options.results is None:
        raise UsageError("score() needs results: the folder for lm-eval's files")
    missing = [package for package in PACKAGES if find_spec(package) is None]
    if missing:
        raise MissingExtraError(f"running MMLU-Pro needs {missing[0]}: pip install 'shape-audit[eval]'")
    options = options.but(results=options.results.absolute())
    assert options.results is not None
    check_writable(options.results, what="results", option="--results")
    checkpoint = _checkpoint(model, options)
    from shape_audit.scores import harness

    questions = read_questions(options.questions)
    expected = _expected(questions.a_subject, options)
    weights = weights_folder(checkpoint).absolute()
    tokenizer = tokenizer_folder(checkpoint).absolute()
    output = options.results / safe_file_name(checkpoint.repo_id)
    answers = _answers(checkpoint, options) if options.resume else None
    started = time.time()
    device = _device(options)
    run = harness.run_harness(
        TASKS[options.protocol],
        harness.HarnessModelFiles(
            weights,
            tokenizer,
            _model_args(
                checkpoint, (weights, tokenizer), options, harness.special_tokens(tokenizer, checkpoint.repo_id)
            ),
        ),
        options.but(device=device, batch_size=options.batch_size or ("1" if device == "cpu" else "auto")),
        output=output,
        answers=answers,
    )
    if run is None:
        return None
    notes = [questions.source, *_notes(run, tokenizer, options), *checkpoint.ref.notes]
    run.results[MADE_BY] = {
        "model": checkpoint.repo_id, "revision": checkpoint.revision, "subfolder": checkpoint.ref.subfolder or None,
        "variant": checkpoint.variant, "notes": notes,
        "set_apart": questions.set_apart,
    }  # fmt: skip
    path = harness.save(run)
    record = _verified(path, run, started, expected)
    if answers is not None:
        for file in answers.parent.glob(f"{answers.name}_rank*{harness.ANSWERS}"):
            file.unlink(missing_ok=True)
    return ScoreRun(record, path)


def _checkpoint(model: str | Path | ModelRef, options: ScoreOptions) -> Checkpoint:
    """The model's files, if it can be scored by this protocol."""
    from shape_audit.models import check_supported

    checkpoint = read_checkpoint(model, retries=options.retries)
    reading = describe(checkpoint)
    if reading.refusal and not reading.is_causal_lm:
        raise NotAuditableError(f"{checkpoint.repo_id}: {reading.refusal}")
    check_supported(checkpoint)
    positions = reading.shape.max_position_embeddings
    generated = options.max_gen_toks or STOCK_GENERATION
    if options.protocol == "cot" and positions is not None and generated >= positions:
        raise UsageError(
            f"{checkpoint.repo_id}: --protocol cot generates up to {generated:,} tokens, and the model has "
            f"{positions:,} positions for them and the prompt; give --max-gen-toks (which makes it another protocol)"
        )
    return checkpoint


def _device(options: ScoreOptions) -> str:
    from shape_audit.models import chosen_device

    return str(chosen_device(options.device).type)


def _model_args(
    checkpoint: Checkpoint,
    folders: tuple[Path, Path],
    options: ScoreOptions,
    special_tokens: tuple[int | None, int | None],
) -> dict[str, Any]:
    """What lm-eval is told about the model: never to run its code, never to unpickle."""
    common: dict[str, Any] = {"dtype": options.dtype, "trust_remote_code": False, "use_safetensors": True}
    if options.protocol == "cot" and special_tokens[1] is None:
        raise NotAuditableError(f"{checkpoint.repo_id}: its tokenizer has no EOS token; lm-eval needs one to generate")
    if special_tokens == (None, None):
        common["prefix_token_id"] = 0  # lm-eval asks for one, and uses it for empty prompts, of which there are none
    if checkpoint.variant is not None:
        common["variant"] = checkpoint.variant
    if checkpoint.source != "hub":
        return {"pretrained": str(checkpoint.folder), **common}
    if checkpoint.ref.subfolder:  # lm-eval's own subfolder is another's
        weights, tokenizer = folders
        return {"pretrained": str(weights), "tokenizer": str(tokenizer), **common}
    return {"pretrained": checkpoint.repo_id, "revision": checkpoint.revision, **common}


def _answers(checkpoint: Checkpoint, options: ScoreOptions) -> Path:
    """Where answers are kept while they come: a name that no other model, setting or version shares."""
    key = [
        *checkpoint.ref.key, options.protocol, options.max_gen_toks, options.dtype, options.device,
        *(version(package) for package in ("lm_eval", "torch", "transformers")),
    ]  # fmt: skip
    assert options.results is not None
    return options.results / "partial" / hashlib.sha256(json.dumps(key).encode()).hexdigest()[:32]


def _expected(questions: Counter[str], options: ScoreOptions) -> int:
    """How many questions there will be in the file: the limit is of a task, and chain of thought has one a subject."""
    counts = list(questions.values()) if options.protocol == "cot" else [questions.total()]
    return sum(min(count, options.limit or count) for count in counts)


def _notes(run: HarnessRun, tokenizer: Path, options: ScoreOptions) -> list[str]:
    """What a reader of the number should know."""
    from shape_audit.scores.harness import prompts_cut

    length = run.results.get("max_length")
    if not isinstance(length, int):
        return []
    generated = (options.max_gen_toks or STOCK_GENERATION) if options.protocol == "cot" else 0
    cut, prompts = prompts_cut(run, tokenizer, length - generated)
    if not cut:
        return []
    return [
        f"{cut:,} of {prompts:,} prompts were longer than the {length - generated:,} tokens there was room for, and "
        "lost their beginning: fewer than five examples were seen"
    ]


def _verified(path: Path, run: HarnessRun, started: float, expected: int) -> ScoreRecord:
    """The score as the saved files have it, if they are there, of this run, and whole."""
    where = f"{path}: lm-eval's results were not saved"
    if not path.is_file():
        raise IncompleteError(f"{where} (is the disk full?); the answers are kept, run it again")
    if path.stat().st_mtime < started - 2:  # some file systems count in steps of two seconds
        raise IncompleteError(f"{where}: the file is of an earlier run")
    (record,) = read_lm_eval(path)
    if record.n is None or record.n < expected:
        raise IncompleteError(f"{path}: {record.n} questions were scored of {expected}")
    for task, samples in run.samples.items():
        file = path.with_name(path.name.replace("results_", f"samples_{task}_", 1)).with_suffix(".jsonl")
        try:
            with file.open("rb") as stream:
                lines = sum(1 for _ in stream)
        except OSError as error:
            raise IncompleteError(f"{file}: lm-eval's samples were not saved ({error.strerror})") from error
        if lines != len(samples):
            raise IncompleteError(f"{file}: {lines} samples were saved of {len(samples)} (is the disk full?)")
    return record
