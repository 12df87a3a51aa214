"""Results that lighteval wrote: results_<time>.json with `config_general`, of versions 0.5 to 0.13.

Its prompt, its extraction and its number of examples are its own, so its scores are a protocol of their own:
`lighteval:mmlu_pro@0`, with the number of examples where there are some, and all that departs from the defaults. A
suite other than lighteval's own has somebody's own tasks, under the same names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from shape_audit.errors import CorruptFileError
from shape_audit.scores.protocols import QUESTIONS, SUBJECTS
from shape_audit.scores.readings import ONLY, Piece, Refusal, finite, made_record, questions_by_subject
from shape_audit.scores.run_settings import run_settings, short

TASK = re.compile(r"(?:(?P<suite>[\w-]+)\|)?(?P<task>mmlu_pro(?:[:_](?P<subject>\w+))?)(?:\|(?P<shots>\d+))?(?:\|\d+)?")
"""`suite|task|shots|truncation`, of which later versions write fewer parts."""
SUITE = "lighteval"
METRIC = "extractive_match"
AVERAGES = ("_average", "average", "all")
"""What stands in a subject's place for all of them."""
_PLAIN_GENERATION: Mapping[str, tuple[object, ...]] = {
    "temperature": (0,), "stop_tokens": ([],), "top_p": (1,), "repetition_penalty": (1,), "length_penalty": (1,),
    "presence_penalty": (0,), "frequency_penalty": (0,), "early_stopping": (False,), "min_new_tokens": (0,),
}  # fmt: skip
"""Values that change nothing, besides null."""
_OF_THE_MACHINE = ("seed", "cache_implementation", "num_blocks", "block_size", "truncate_prompt")
"""Generation parameters that say nothing of how the questions were asked."""


def is_lighteval(content: Any) -> bool:
    """Whether a JSON value is laid out as lighteval's results."""
    return isinstance(content, dict) and "config_general" in content and isinstance(content.get("results"), dict)


def read_lighteval(source: str, content: Mapping[str, Any], model: str | None) -> Iterator[Piece | Refusal]:
    """The MMLU-Pro scores of a result file, and the reasons why a task of it gave none; see `read_lm_eval_pieces`."""
    for key, row in content["results"].items():
        name = TASK.fullmatch(str(key))
        if name is None or not (name["subject"] in (None, *AVERAGES) or name["subject"] in questions_by_subject()):
            if re.search(r"mmlu[-_ ]?pro", str(key), re.IGNORECASE):
                yield f"{key:.60} is another benchmark than MMLU-Pro, or asks it in a way that is not known"
            continue
        try:
            yield _piece(source, content, model, key, name, row)
        except CorruptFileError as error:
            yield error


def _piece(
    source: str, content: Mapping[str, Any], model: str | None, key: str, name: re.Match[str], row: Any
) -> Piece:
    general, task = _dict(content.get("config_general")), _task(_dict(content.get("config_tasks")), key)
    given = _dict(general.get("model_config"))
    settings = run_settings(
        given,
        name=model or next((str(part["model_name"]) for part in (general, given) if part.get("model_name")), None),
        config=general,
    )
    if settings.identity is None:
        raise CorruptFileError("it does not say which model was run; give it as MODEL=PATH")
    metric, value = _metric(row)
    requested, available = task.get("effective_num_docs"), task.get("original_num_docs")
    subject = None if name["subject"] in AVERAGES else name["subject"]
    whole = questions_by_subject()[subject] if subject else QUESTIONS
    n = requested if type(requested) is int and requested > 0 else None
    expected = max(whole, available if type(available) is int else 0)
    is_limited = n < expected if n is not None else bool(general.get("max_samples"))
    notes = [] if n is not None else ["the file does not say how many questions were asked"]
    if subject:
        notes += [f"1 of {SUBJECTS} subjects", f"{ONLY}{subject}"]
    departures = _departures(general, given, name, metric)
    version = _dict(content.get("versions")).get(key, "unknown")
    protocol = f"lighteval:mmlu_pro@{short(version)}"
    protocol += "".join(
        f"+{setting}={value}" for setting, value in sorted({**departures, **settings.departures}.items())
    )
    record = made_record(
        model=settings.identity,
        revision=settings.revision,
        subfolder=settings.subfolder,
        protocol=protocol,
        value=value,
        stderr=finite(row.get(f"{metric}_stderr")),
        n=n,
        is_limited=is_limited or subject is not None,
        set_apart=settings.set_apart,
        source=source,
        dtype=settings.dtype,
        notes=notes,
    )
    return Piece(record, {subject: (value, n)} if subject and n is not None and not is_limited else {})


def _task(tasks: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The settings of a task, which many versions file without the number of examples that the result's key has."""
    parts = key.split("|")
    names = ["|".join(parts[:end]) for end in range(len(parts), 0, -1)]
    return next((_dict(tasks[name]) for name in names if name in tasks), {})


def _metric(row: Any) -> tuple[str, float]:
    """The metric of a row and its value."""
    if isinstance(row, Mapping):
        names = [key for key in row if not str(key).endswith("_stderr")]
        for name in (METRIC, *names):
            value = finite(row.get(name))
            if value is not None:
                return str(name), value
    raise CorruptFileError(f"no {METRIC} in it")


def _departures(
    general: Mapping[str, Any], given: Mapping[str, Any], name: re.Match[str], metric: str
) -> dict[str, str]:
    """What is not as lighteval's task has it by itself."""
    found = {"metric": short(metric)} if metric != METRIC else {}
    if name["suite"] not in (None, SUITE):
        found["suite"] = short(name["suite"])
    if name["shots"] not in (None, "0"):
        found["shots"] = name["shots"]
    if given.get("use_chat_template") or general.get("use_chat_template"):
        found["chat_template"] = "true"
    generation = _dict(general.get("generation_parameters") or given.get("generation_parameters"))
    for key, value in generation.items():
        if value is not None and key not in _OF_THE_MACHINE and value not in _PLAIN_GENERATION.get(key, ()):
            found[str(key)] = short(value)
    return found


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
