"""What was run, by the settings of a run and not by the name it was given: model, revision, weights, and all that makes
it another protocol. The one place where the arguments of lm-eval's and lighteval's models become an identity.

Which argument means what is data: `data/lm_eval_settings.json`.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from shape_audit.scores.posted_origin import is_quantised_name
from shape_audit.shipped import facts

_COMMIT = re.compile("[0-9a-f]{40}")
_HASH = re.compile("[0-9a-f]{32,}")
_START_OF_COMMIT = re.compile("[0-9a-f]{7,40}")
_TEXT_OF_OBJECT = re.compile(r"[<\n]|\w+\(")
"""How Python writes an object, which is no name."""
_CLASS = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
OF_REVISION = "of revision "
"""How a score begins to say why it is set apart that is of a branch or tag."""
SHORT_HASH = 8
"""Hexadecimal digits of a hash in a protocol's name."""


@dataclass(frozen=True)
class RunSettings:
    """What was run.

    Attributes:
        model: its name or path as the run had it; None where nothing names one.
        changes: `peft=...`, `load_in_4bit` and the like, where the weights that were run are not the model's own.
        revision: commit where it is known, else the branch or tag, if it was not the default one.
        branch: the branch or tag beside a commit, if it was not the default one.
        departures: setting -> value, of what makes the run another protocol.
        dtype: what the weights were computed in, where that is said.
    """

    model: str | None
    changes: tuple[str, ...]
    revision: str | None
    branch: str | None
    subfolder: str | None
    variant: str | None
    departures: Mapping[str, str]
    dtype: str | None

    @property
    def identity(self) -> str | None:
        """The name that a score of this run goes by: never the model's own where the weights were not."""
        return None if self.model is None else "+".join([self.model, *self.changes])

    @property
    def set_apart(self) -> str | None:
        """Why a score enters no comparison until its commit is known for the model's own: it was run of a branch."""
        return f"{OF_REVISION}{self.branch:.40}" if self.branch else None


def run_settings(
    arguments: object,
    *,
    name: str | None = None,
    known_as: str | None = None,
    backend: str | None = None,
    is_plain: bool = False,
    config: Mapping[str, Any],
) -> RunSettings:
    """Understand the settings of a run.

    Args:
        arguments: of the model, as text (`pretrained=org/name,dtype=float16`, or JSON) or as an object.
        name: of the model, as the file says it beside the arguments; it wins, unless an adapter was loaded.
        known_as: its name where that is known better; only its tokenizer is its own.
        backend: lm-eval's `config.model`: the class that ran the model, or, in dumps from Python, the model's name.
        is_plain: the file says that no chat template was used, and so none of its switches.
        config: where `model_sha`, `model_revision`, `model_dtype` and the sha of an adapter stand.
    """
    known, given = facts("lm_eval_settings"), parsed_arguments(arguments)
    adapters = [f"{key}={value}" for key, value in given.items() if _is_adapter(key, value)]
    if not adapters:
        adapters = [key for key in ("peft", "delta") if _is_set(config.get(f"{key}_sha"))]
    weights = [_named(key, given[key]) for key in sorted(given) if _changes_weights(key, given[key])]
    if all(weight.startswith("bnb_") for weight in weights):
        weights = []  # details of a quantisation that was not asked for
    dtype = next((str(given[key]) for key in known["dtype"] if _is_set(given.get(key))), None)
    dtype = (dtype or str(config.get("model_dtype") or "")).removeprefix("torch.") or None
    if dtype is not None and dtype.lower() not in known["plain_dtypes"]:
        weights.append(f"dtype={dtype}")
    base = next((str(given[key]) for key in known["name"] if _is_set(given.get(key)) and _is_name(given[key])), None)
    name = name if name and _is_name(name) else None
    model = (base or name) if adapters else (name or base)
    if model is None and backend and backend not in known["backends"] and _is_name(backend):
        model = None if _CLASS.fullmatch(backend) else backend  # a model object has its own name there
    if is_quantised_name((known_as or model or "").rstrip("/").rpartition("/")[2]):
        weights = [weight for weight in weights if not re.fullmatch(known["quantises"], weight)]  # as it lies there
    revision, branch = _revision(given, config)
    return RunSettings(
        model=model,
        changes=(*adapters, *weights),
        revision=revision,
        branch=branch,
        subfolder=str(given["subfolder"]) if _is_set(given.get("subfolder")) else None,
        variant=str(given["variant"]) if _is_set(given.get("variant")) else None,
        departures=_departures(given, {base or name, known_as}, backend, is_plain),
        dtype=dtype,
    )


def parsed_arguments(arguments: object) -> dict[str, Any]:
    """Arguments as an object, whichever way they were written; nested ones of the chat template are lifted out."""
    if isinstance(arguments, list):
        arguments = ",".join(map(str, arguments))
    if isinstance(arguments, str):
        text = arguments.strip()
        if text.startswith("{"):
            arguments = _literal(text)
        else:
            pairs = [part.partition("=") for part in _split(text) if "=" in part]
            arguments = {key.strip().lstrip("-"): value.strip() for key, _, value in pairs}
    if not isinstance(arguments, Mapping):
        return {}
    names = {*facts("lm_eval_settings")["name"], "revision", "subfolder", "tokenizer", "variant"}
    given = {
        key: _literal(value) if isinstance(value, str) and key not in names and not _fits("adapter", key) else value
        for key, value in ((str(key).replace("-", "_"), value) for key, value in arguments.items())
    }
    for key in facts("lm_eval_settings")["nested"]:
        if isinstance(nested := given.get(key), Mapping):
            given = {**nested, **given}
    return given


def short(value: Any) -> str:
    """A value as a part of a protocol's name: as it is, a hash's first digits, or a hash of what is long."""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    if _HASH.fullmatch(text):
        return text[:SHORT_HASH]
    plain = re.sub(r"[^\w./-]", "", text)
    return plain if 0 < len(plain) <= 16 else hashlib.sha256(text.encode()).hexdigest()[:SHORT_HASH]


def _departures(
    given: Mapping[str, Any], names: set[str | None], backend: str | None, is_plain: bool
) -> dict[str, str]:
    """Of all that the chat template is given, whatever it is called: each template has switches of its own."""
    known = facts("lm_eval_settings")
    switches = {key for name in known["nested"] if isinstance(nested := given.get(name), Mapping) for key in nested}
    switches |= set(known["switches"])
    keys = [*known["protocol"], *sorted(switches.difference(known["protocol"]))]
    if is_plain and backend not in known["chat_backends"]:
        keys = [key for key in keys if key not in switches]
    found = {key: short(given[key]) for key in keys if given.get(key) not in (None, "", "auto")}
    if given.get("tokenizer") in {*names, "auto"}:
        found.pop("tokenizer", None)
    if backend in known["chat_backends"]:
        found.setdefault("chat_template", "api")
    lengths = [given[key] for key in known["max_length"] if isinstance(given.get(key), int)]
    if lengths and 0 < min(lengths) < known["longest_prompts"]:
        found["max_length"] = str(min(lengths))
    return found


def _revision(given: Mapping[str, Any], config: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """(revision, branch), as `RunSettings` has them."""
    named = (given.get("revision"), config.get("model_revision"))
    branch = next((str(one) for one in named if one is not None and str(one) not in ("", "main", "None", "N/A")), None)
    sha = config.get("model_sha")
    if not isinstance(sha, str) or not _COMMIT.fullmatch(sha):
        return branch, None
    return sha, None if branch and _START_OF_COMMIT.fullmatch(branch) else branch


def _is_name(value: Any) -> bool:
    return _TEXT_OF_OBJECT.search(str(value)) is None


def _fits(kind: str, key: str) -> bool:
    return re.search(facts("lm_eval_settings")[kind], key) is not None


def _changes_weights(key: str, value: Any) -> bool:
    """Whether an argument has other weights run than lie in the repository: most formats and many quantisations can
    only be read from it, and are how a repository in them is run at all."""
    lies_there = re.fullmatch(facts("lm_eval_settings")["read_as_is"], f"{key}={value}".lower()) is not None
    return _fits("weights", key) and _is_set(value) and not lies_there


def _is_adapter(key: str, value: Any) -> bool:
    """Whether an argument names an adapter: text, of a key that is none of an adapter's numbers."""
    is_name = isinstance(value, str | list) and _is_set(value) and str(value).strip().lower() != "true"
    return _fits("adapter", key) and not _fits("no_adapter", key) and is_name


def _is_set(value: Any) -> bool:
    """Whether an argument changes anything: not a spelling of no, none or the default."""
    return value is not None and str(value).strip().lower() not in facts("lm_eval_settings")["plain"]


def _named(key: str, value: Any) -> str:
    return key if value is True else f"{key}={short(value)}"


def _split(text: str) -> Iterator[str]:
    """Parts between commas that stand in no brackets or quotes."""
    start, open_brackets, quote = 0, 0, ""
    for place, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'" and open_brackets:
            quote = letter
        elif letter in "{[(":
            open_brackets += 1
        elif letter in ")]}":
            open_brackets -= 1
        elif letter == "," and open_brackets <= 0:
            yield text[start:place]
            start = place + 1
    yield text[start:]


def _literal(text: str) -> Any:
    """A value as JSON or Python writes it; other text as it is."""
    words = {"true": True, "false": False, "none": None, "null": None}
    if text.strip().lower() in words:
        return words[text.strip().lower()]
    if not re.match(r"""[-+]?\.?\d|[\[{"'(]""", text):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return text
