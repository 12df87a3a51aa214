"""Whose a posted score is: this model's as it lies here, another's, that of its unquantised original; and whether the
Open LLM Leaderboard, whose points are normalised, is where it comes from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

from shape_audit.scores.entry_words import affirmed, word_groups
from shape_audit.scores.readings import questions_by_subject
from shape_audit.shipped import facts

_BOARD = r"(?:the )?(?:(?:hugging ?face(?:'s)?|hf),? )?open[-_ ]?llm[-_ ]?leader ?board"
_BOARD_NAME = re.compile(rf"\W*{_BOARD}(?:[\s(]*(?:v?2(?:\.0)?|results?|scores?|archived?)\)?)*\W*", re.IGNORECASE)
_BOARD_SPACE = re.compile(
    r"https?://(?:www\.)?(?:(?:huggingface\.co|hf\.co)/spaces/(?:open-llm-leaderboard[\w-]*|huggingfaceh4)/"
    r"open[-_]llm[-_]leaderboard(?:[/?#]|$)"
    r"|open-llm-leaderboard-open-llm-leaderboard\.(?:static\.)?hf\.space(?:[/?#]|$))",
    re.IGNORECASE,
)
_BOARD_ENTRY = re.compile(r"MMLU-PRO \(5-shot\)")
"""How the leaderboard's bot spells the benchmark in a card."""
_TAKEN_FROM_BOARD = re.compile(
    r"(?<!settings )(?<!setup )(?<!prompt )(?<!prompts )(?<!task )(?<!tasks )(?<!config )(?<!template )"
    rf"\b(?:from|(?:shown|listed|reported|published) (?:by|on|in)|see|source:)\s+{_BOARD}"
    r"|/datasets/open-llm-leaderboard[\w-]*/contents\b",
    re.IGNORECASE,
)

QUANTISED = re.compile(
    r"quanti[sz](?:ed|ation)|\b[2-8]-?bits?\b|\b\d(?:\.\d+)?-?bpw\b|\bint[48]\b|\b(?:fp|nf|mxfp|nvfp)[48]\b"
    r"|\b(?:aqlm|auto-?round|awq|bnb|eetq|exl[23]|gguf|gptq|hqq|torchao|vptq)\b"
    r"|\bq[2-8]_[k0]\w*|\bq[2-8]f16|\biq[1-4]_\w+|\bw[2-8]a(?:8|16)\b",
    re.IGNORECASE,
)
_WHOLE_AGAIN = re.compile(r"(?:un|non-?|de)quanti[sz]ed|\b16-?bits?\b", re.IGNORECASE)
"""In a name: weights that have all their bits, after a training in fewer or for fewer."""
_BITS = f"(?:{QUANTISED.pattern})"
_NOT_WEIGHTS = re.compile(
    rf"(?:{_BITS}[\s-]+(?:e\dm\d[\s-]+)?)?\b(?:kv|key[- ]value)[\s_-]*cache"
    r"(?:[\s_-]*(?:dtype|type|quanti[sz](?:ed|ation)))?"
    rf"(?:\s*(?:=|:|in|at|to|with|is|of|by)?\s*{_BITS})?"
    rf"|{_BITS}[\s-]+(?:paged[\s-]+)?(?:adamw?|optimi[sz]ers?)\b",
    re.IGNORECASE,
)
"""What else may have few bits while the weights have all of theirs."""
_THING = r"(?:[\w.]+[\s-]+){0,2}?(?:models?|weights|checkpoints?|versions?|releases?)\b"
_COPY = (
    r"(?:[\w.-]+\s+){0,2}?"
    r"(?:cop(?:y|ies)|quants?|conversion|upload|repo(?:sitory)?|models?|weights|checkpoint|version)\b"
)
_ORIGINAL = r"(?:original|upstream|parent|teacher)"
_OF_ORIGINAL = re.compile(
    rf"\b(?:of|for|from|by|on|with)\s+(?:the\s+|its\s+|our\s+)?{_ORIGINAL}[\s-]+{_THING}"
    rf"|\bnot\s+(?:\w+\s+)?(?:of|for|from|on|by|with)\s+(?:this|these)\s+{_COPY}"
    rf"|\b(?:inherited|carried over|copied|taken over) from\s+(?:the\s+|its\s+)?(?:base|{_ORIGINAL})\b",
    re.IGNORECASE,
)
_OF_MORE_BITS = re.compile(
    rf"\b(?:{_ORIGINAL}|base|bf16|bfloat16|fp16|float16|fp32|(?:full|half)[\s-]precision|(?:16|32)[\s-]bit)[\s-]+"
    rf"(?:{_THING}|cards?\b|model card\b|repo\b)|\b(?:un|non)-?quanti[sz]ed\b|\bbefore quanti[sz]ation\b",
    re.IGNORECASE,
)
"""What a quantised copy says of the model that it was made of; of a model with all its bits it says nothing."""

_ADDRESS = re.compile(r"https?://[^\s\"'<>)\]]+")
_NAME = r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*"
_ASKED_FOR = frozenset(("query", "search", "model", "models", "model_name", "q", "name"))
_NO_OWNERS = frozenset((
    "api", "blog", "buckets", "chat", "collections", "datasets", "docs", "enterprise", "jobs", "join", "learn",
    "models", "new", "organizations", "papers", "posts", "pricing", "search", "settings", "spaces", "tasks",
))  # fmt: skip
"""First parts of the Hub's addresses that are no owners of models."""
_IN_RESULTS = re.compile(
    r"leaderboard[\w-]*/(?:results|requests|details)/(?:blob|tree|resolve|raw)/[\w.-]+/"
    r"([\w.-]+)/([\w.-]+?)(?:_eval_request[^/]*|\.json)?(?:[/?#\s]|$)"
)
_DETAILS = re.compile(r"(?:^|[/\s])(?:details_([\w.-]+?)__([\w.-]+)|([\w.-]+?)__([\w.-]+)-details)\b")
_OF_MODEL = re.compile(
    r"(?:^|\b(?:of|for|from|model|see|named?)\b:?)\s*([A-Za-z0-9][\w.-]+/[A-Za-z0-9](?:[\w.-]*\w)?)(?![\w/])"
    r"(?!\s+(?:modes?|tasks?|settings?|tokens?|prompts?|style|format|variants?|split|pairs?|questions|answers)\b)",
    re.MULTILINE,
)
_NO_MODEL = re.compile(r"mmlu|harness|eval|leaderboard|bench", re.IGNORECASE)
_FILE = re.compile(
    r"\.(?:md|txt|rst|html?|pdf|json[lc]?|ya?ml|toml|csv|tsv|parquet|py|sh|ipynb|log|xlsx?|png|svg|zip|gz)$",
    re.IGNORECASE,
)
_HARDWARE = re.compile(r"(?:[abhlv]\d{2,3}|rtx\d*|mi\d{3}|tpu|gb\d{3})[a-z]{0,2}|\d+(?:x|gb)?", re.IGNORECASE)


def is_leaderboards(names: list[str], *, url: str, source: str, notes: str) -> bool:
    """Whether the Open LLM Leaderboard's bot wrote an entry: it is linked, or is all that the source says, or the
    benchmark is spelled as the bot spells it, without another source."""
    if re.search(r"\braw\b", " ".join((*names, source, notes)), re.IGNORECASE):
        return False
    if _BOARD_SPACE.match(url.strip()) or _BOARD_NAME.fullmatch(source):
        return True
    if url or source:
        return False
    return bool(_BOARD_NAME.fullmatch(notes)) or (not notes and any(_BOARD_ENTRY.fullmatch(name) for name in names))


def why_set_apart(model: str, named: str | None, words: str, *, url: str, source: str, notes: str) -> str | None:
    """Why a score is not of this model as it lies here; None where nothing says so.

    Args:
        named: the model, as the entry calls it.
        words: all texts of the entry.
    """
    said = "\n".join(text for text in (url, source, notes) if text)
    other = other_model_of(said, model)
    if other is not None:
        return f"of another model, by its source: {other:.100}"
    is_copy, quantised = is_quantised_name(model), quantised_in(words)
    original = affirmed(_OF_ORIGINAL, said) or (is_copy and affirmed(_OF_MORE_BITS, said))
    if original:
        return f"of another model, the unquantised or original one, by its own words ({original[0]:.80})"
    if quantised and not is_copy:
        return f"of quantised weights, by its own words ({quantised})"
    if named and is_alike(named, model) and is_quantised_name(named) != is_copy and not (is_copy and quantised):
        what = "another model, the unquantised one" if is_copy else "quantised weights"
        return f"of {what}, by its model-index: {named:.80}"
    return None


def may_be_normalised(names: Iterable[str], text: str) -> bool:
    """Whether a score is taken from the Open LLM Leaderboard, by its words, and perhaps in its points."""
    is_headed = any(re.search(_BOARD, name, re.IGNORECASE) for name in names)
    return is_headed or affirmed(_TAKEN_FROM_BOARD, text) is not None


def quantised_in(words: str) -> str | None:
    """What a text says of weights with fewer bits."""
    found = affirmed(QUANTISED, _NOT_WEIGHTS.sub(" ", words))
    return found[0] if found else None


def is_quantised_name(model: str) -> bool:
    """Whether a model's name says that its weights are of few bits, as they lie there."""
    spelled = f"{model} {model.replace('_', '-')}"
    return QUANTISED.search(spelled) is not None and not _WHOLE_AGAIN.search(spelled)


def is_alike(named: str, model: str) -> bool:
    """Whether one name may be a short form of the other, whatever they say of bits."""
    ours, theirs = (_squashed(name) for name in (model, named))
    return ours in theirs or theirs in ours


def _squashed(name: str) -> str:
    last = name.rpartition("/")[2].casefold().replace("_", "-")
    return re.sub(r"[\W_]", "", re.sub(r"\b(?:bf16|fp16|mlx)\b", "", QUANTISED.sub("", last)))


def current_name(name: str) -> str:
    """A name of the Hub as it is now, in small letters: a known former one is the same model's."""
    former: Mapping[str, str] = facts("former_names")["names"]
    return former.get(name.casefold(), name).casefold()


def other_model_of(text: str, model: str) -> str | None:
    """A model that an address or a text names, if it is not this one: by its whole name, or, where this one is a
    folder, by the last part of it."""
    for name in (*_in_addresses(text), *_in_words(text)):
        ours, theirs = current_name(model), current_name(name)
        if ours not in (theirs, theirs.rpartition("/")[2]):
            return name
    return None


def _in_addresses(text: str) -> Iterator[str]:
    for match in _IN_RESULTS.finditer(unquote(text)):
        yield f"{match[1]}/{match[2]}"
    for match in _DETAILS.finditer(unquote(text)):
        yield f"{match[1] or match[3]}/{match[2] or match[4]}"
    for address in _ADDRESS.findall(text):
        try:
            parts = urlsplit(address)
        except ValueError:
            continue
        after_hash = parts.fragment.partition("?")[2]  # where the leaderboard's page keeps its own
        for query in (parts.query, after_hash):
            for key, value in parse_qsl(query):
                if key.lower() in _ASKED_FOR:
                    yield from re.findall(rf"(?<![\w/.-]){_NAME}(?![\w/])", value)
        path = [unquote(part) for part in parts.path.split("/") if part]
        path = path[2:] if path[:2] == ["api", "models"] else path
        is_hub = parts.netloc.endswith("huggingface.co") or parts.netloc == "hf.co"
        if is_hub and len(path) >= 2 and path[0] not in _NO_OWNERS:
            yield "/".join(path[:2])


def _in_words(text: str) -> Iterator[str]:
    for name in _OF_MODEL.findall(_ADDRESS.sub(" ", text)):
        if not _NO_MODEL.search(name) and not _FILE.search(name) and not _is_ordinary(name):
            yield name


def _is_ordinary(name: str) -> bool:
    """Whether two words with a stroke between are no owner and model: "5-shot/CoT", "vLLM/H100", "docs/results.md"."""
    owner, last = name.split("/")
    if all(re.fullmatch(r"[A-Z]{1,4}", part) for part in (owner, last)):
        return True
    return _is_of_known_words(last, is_owner=False) or _is_of_known_words(owner, is_owner=True)


def _is_of_known_words(part: str, *, is_owner: bool) -> bool:
    """Whether a part has words of settings only; an owner may be called as a harness, since its makers make models."""
    groups = [words for name, words in word_groups().items() if not (is_owner and name == "lies")]
    data = facts("mmlu_pro_words")
    known = ({*questions_by_subject(), *data["folders"], *data["tools"]} - {"other"}).union(*groups)
    words = [word for word in re.split(r"[-_.]", part.casefold()) if word]
    return part.casefold() in ("llama.cpp", "llama-cpp") or all(
        word in known or _HARDWARE.fullmatch(word) for word in words
    )
