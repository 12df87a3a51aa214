"""Running lm-eval's stock MMLU-Pro tasks. The one file that calls lm_eval; it is imported when a run begins."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shape_audit.errors import IncompleteError, NotAuditableError, UsageError, explained
from shape_audit.hub import quiet_datasets, quiet_transformers
from shape_audit.loader import KeptAnswers, in_empty_folder, only_own_files, tokenizer_in, without_hub_kernels
from shape_audit.parallel import processes_of_run
from shape_audit.scores.installed_packages import packages_listed_here
from shape_audit.scores.lm_eval_files import COT, LETTERS
from shape_audit.scores.options import ScoreOptions
from shape_audit.scores.questions import DATASET, watched_questions

REPETITIVE = ("exceeds model's maximum length", "Left truncation applied", "specified through cli")
"""What lm-eval says again for every answer or batch; `prompts_cut` counts, and the protocol's name says, the same."""

ANSWERS = ".jsonl"
FOLDERS = {LETTERS: "leaderboard/mmlu_pro", COT: "mmlu_pro"}
"""Where lm-eval keeps the stock tasks, among 14,000 files of others."""


@dataclass(frozen=True)
class HarnessModelFiles:
    """A model for lm-eval.

    Attributes:
        weights, tokenizer: folders it is loaded from.
        model_args: what lm-eval is told, and writes into its results: pretrained, revision, dtype ...
    """

    weights: Path
    tokenizer: Path
    model_args: Mapping[str, Any]


@dataclass(frozen=True)
class HarnessRun:
    """What lm-eval found, before anything is saved.

    Attributes:
        results: its result object, without samples.
        samples: task -> one object a question.
        tracker: lm-eval's EvaluationTracker, which knows how its files are named.
    """

    results: dict[str, Any]
    samples: dict[str, list[dict[str, Any]]]
    tracker: Any


def run_harness(
    task: str, model: HarnessModelFiles, options: ScoreOptions, *, output: Path, answers: Path | None
) -> HarnessRun | None:
    """Run one stock task or group with the `hf` backend, as `lm-eval run` does.

    Args:
        model: where it lies, and what lm-eval is told of it.
        options: with the device and the batch size that auto comes to.
        output: folder the tracker will save to.
        answers: beginning of the names of files that keep answers as they come, one a process, so that a killed run
            goes on; None keeps none. They must be of this model and these settings alone.

    Paths are absolute: lm-eval works in an empty folder.

    Returns:
        None in all processes but the first.

    Raises:
        UsageError: several processes, but lm-eval would not share the questions among them.
        IncompleteError: lm-eval failed.
    """
    from lm_eval import simple_evaluate
    from lm_eval.loggers import EvaluationTracker

    from shape_audit.loader import HarnessModel

    _check_world()
    tracker = EvaluationTracker(output_path=str(output))
    links = {} if options.questions is None else {DATASET: options.questions}
    batch_size, max_gen_toks = options.batch_size, options.max_gen_toks
    with (
        _with_progress_of_questions_alone(), without_hub_kernels(), in_empty_folder(links), only_own_files(),
        watched_questions(), packages_listed_here(), ExitStack() as opened,
    ):  # fmt: skip
        try:
            loaded = HarnessModel(
                model.weights, model.tokenizer, **model.model_args, device=options.device, batch_size=batch_size
            )
            if answers is not None:
                file = Path(f"{answers}_rank{loaded.rank}{ANSWERS}")
                loaded.keep_answers(opened.enter_context(KeptAnswers(file)))
            found = simple_evaluate(
                model=loaded,
                model_args=dict(model.model_args),
                tasks=[task],
                task_manager=_stock_tasks(task, model.model_args),
                batch_size=batch_size,
                device=options.device,
                limit=options.limit,
                gen_kwargs={"max_gen_toks": max_gen_toks} if max_gen_toks is not None else None,
                evaluation_tracker=tracker,
                log_samples=True,
                fewshot_as_multiturn=False,
            )
        except Exception as error:  # whatever a model and 12,000 prompts make of it
            name = str(model.model_args["pretrained"])
            known = explained(error, name)
            raise known or IncompleteError(f"{name}: lm-eval failed: {type(error).__name__}: {error}") from error
    if found is None:
        return None
    results: dict[str, Any] = dict(found)
    results["config"]["model"] = tracker.general_config_tracker.model_source = "hf"  # of which ours is a subclass
    return HarnessRun(results, results.pop("samples"), tracker)


def save(run: HarnessRun) -> Path:
    """Write the result file and samples as lm-eval does, and return where the result file should be now.

    lm-eval says nothing, and goes on, where it could not save.
    """
    run.tracker.save_results_aggregated(results=run.results, samples=run.samples)
    date = getattr(run.tracker, "date_id", None)
    if date is None:
        raise IncompleteError(f"{run.tracker.output_path}: lm-eval could not save its results there")
    for task, samples in run.samples.items():
        run.tracker.save_results_samples(task_name=task, samples=samples)
    folder = Path(run.tracker.output_path) / str(run.tracker.general_config_tracker.model_name_sanitized)
    return folder / f"results_{date}.json"


def prompts_cut(run: HarnessRun, tokenizer_folder: Path, room: int) -> tuple[int, int]:
    """(prompts of more than `room` tokens, prompts): the harness cuts those from the left, examples first."""
    tokenizer = tokenizer_in(tokenizer_folder)
    prompts = [sample["arguments"][0][0] for samples in run.samples.values() for sample in samples]
    lengths = [len(ids) for start in range(0, len(prompts), 256)
               for ids in tokenizer(prompts[start : start + 256], verbose=False)["input_ids"]]  # fmt: skip
    return sum(length > room for length in lengths), len(prompts)


def special_tokens(tokenizer_folder: Path, model: str) -> tuple[int | None, int | None]:
    """Ids of BOS and EOS, where the tokenizer has them.

    Raises:
        NotAuditableError: it is code of the repository.
        IncompleteError: it cannot be loaded.
    """
    try:
        tokenizer = tokenizer_in(tokenizer_folder)
    except Exception as error:  # whatever absent or damaged files make transformers raise
        if "trust_remote_code" in str(error):
            raise NotAuditableError(
                f"{model}: its tokenizer needs code from its repository, which is not run"
            ) from error
        line = str(error).partition("\n")[0]
        raise IncompleteError(f"{model}: its tokenizer cannot be loaded ({line})") from error
    return tokenizer.bos_token_id, tokenizer.eos_token_id


def _stock_tasks(task: str, model_args: Mapping[str, Any]) -> Any:
    """lm-eval's TaskManager of one task or group: that of all tasks takes seconds to read them."""
    from lm_eval import tasks

    folder = Path(tasks.__file__).parent / FOLDERS[task]
    return tasks.TaskManager(include_path=folder, include_defaults=False, metadata=dict(model_args))


def _check_world() -> None:
    import torch

    size = processes_of_run().size
    if size > 1 and torch.cuda.device_count() < size:
        raise UsageError(
            f"lm-eval shares questions among GPUs only, and {size} processes have "
            f"{torch.cuda.device_count()} of them here; start one process"
        )


@contextmanager
def _with_progress_of_questions_alone() -> Iterator[None]:
    """lm-eval's own bars and warnings, without a bar for every filter and file and a line for every answer."""

    def is_news(entry: logging.LogRecord) -> bool:
        return not any(words in entry.getMessage() for words in REPETITIVE)

    loggers = [logging.getLogger(f"lm_eval.{name}") for name in ("evaluator", "models.huggingface", "models.utils")]
    for logger in loggers:
        logger.addFilter(is_news)
    try:
        with quiet_transformers(), quiet_datasets():
            yield
    finally:
        for logger in loggers:
            logger.removeFilter(is_news)
