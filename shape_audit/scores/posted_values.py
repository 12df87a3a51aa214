"""What a posted value means: its unit, how many questions it is of, and whose it is, by the words that stand with it.

Nothing is told from a value's size but what size alone can tell: above 1 it is no share, and below half of what
guessing gives it is a share of something else.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from shape_audit.scores.protocols import CHANCE, QUESTIONS, raw_accuracy
from shape_audit.scores.readings import finite

LEADERBOARD = re.compile(r"open[-_ ]?llm[-_ ]?leaderboard", re.IGNORECASE)
LEADERBOARD_ENTRY = re.compile(r"MMLU-PRO \(5-shot\)")
"""How the leaderboard's bot spells the benchmark in a card."""
PLACEHOLDER = re.compile(
    r"|[xX?*_.-]+%?|[xX]+[.,][xX]+%?|n/?a|nan|none|null|tbd|todo|pending|coming soon|<.*>|\{.*\}|\[.*\]",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"(\d+(?:[.,]\d+)?)\s*(%|percent|pct)?(?:\s*(?:±|\+/-|\+-)\s*\d+(?:[.,]\d+)?\s*%?)?", re.IGNORECASE
)
_OF_ALL = re.compile(r"(\d[\d,. ]*?)\s*(?:of|out of|/)\s*12[,.  ]?032", re.IGNORECASE)
_COUNT = re.compile(
    r"\b(\d[\d,]*)[\s-]*(?:questions?|samples|items|problems|rows|instances|prompts)\b|\bn\s*=\s*(\d[\d,]*)",
    re.IGNORECASE,
)
_LIMIT = re.compile(
    r"\b(?:limit(?:ed to)?|max_samples|num_samples|first)\s*[=: ]\s*(\d[\d,]*(?:\.\d+)?)", re.IGNORECASE
)
FEWEST_COUNTED = 50
"""A smaller number of samples is one of answers to a question."""
_IN_PART = re.compile(
    r"\b(?:limited|subset|sub-?sampled?|partial|sampled|mini|lite|tiny|smoke[- ]?test|quick|preview|validation split|"
    r"\d+\s*%\s*(?:of|sample|subset))\b",
    re.IGNORECASE,
)
QUANTISED = re.compile(
    r"quanti[sz](?:ed|ation)|\b[2-8]-?bits?\b|\bint[48]\b|\b(?:fp|nf|mxfp|nvfp)[48]\b|\b(?:gguf|gptq|awq|exl[23]|bnb|hqq)\b|"
    r"\bq[2-8]_[k0]\w*|\bw4a16\b|\bw8a8\b",
    re.IGNORECASE,
)


_ADDRESS = re.compile(r"https?://[^\s\"'<>)\]]+")
_NO_OWNERS = frozenset(
    ("api", "blog", "collections", "datasets", "docs", "learn", "models", "papers", "posts", "spaces")
)
"""First parts of the Hub's addresses that are no owners of models."""
_OF_MODEL = re.compile(r"(?:^|\b(?:of|for|from|model|see)\b:?)\s*([A-Za-z0-9][\w.-]+/[A-Za-z0-9][\w.-]+)", re.MULTILINE)
_NO_MODEL = re.compile(r"mmlu|harness|eval|leaderboard|bench", re.IGNORECASE)


class Unplaced(ValueError):
    """A value that no accuracy can be told from; the message shows it as it was written."""


def accuracy_of(value: Any, *, is_leaderboards: bool) -> float:
    """The accuracy that a posted value stands for, a share of 1.

    Args:
        is_leaderboards: the Open LLM Leaderboard posted it: its points are 100 (raw - .1) / .9.

    Raises:
        Unplaced: it stands for none that can be told.
    """
    shown = f"its value is {value!r:.40}"
    number, is_percent = _number(value, shown)
    if is_leaderboards:
        raw = raw_accuracy(number) if number <= 100 else None
        if raw is None:
            why = "cut off there, at or below an accuracy of 10 %" if number == 0 else "which no run gives"
            raise Unplaced(f"{shown} in the leaderboard's normalised points, {why}")
        return raw
    if number == 0:
        raise Unplaced(f"{shown}, a placeholder: guessing gives {100 * CHANCE:.0f} %")
    share = number / 100 if is_percent or number > 1 else number
    if share >= 1:
        raise Unplaced(f"{shown}, which no run gives")
    if share < CHANCE / 2 and not is_percent:
        raise Unplaced(f"{shown}, and whether that is a share, percent or normalised points is not said")
    return share


def _number(value: Any, shown: str) -> tuple[float, bool]:
    """(number, whether it says that it is percent)."""
    if isinstance(value, str):
        if PLACEHOLDER.fullmatch(value.strip()):
            raise Unplaced(f"{shown}, a placeholder")
        match = _NUMBER.fullmatch(value.strip())
        if match is None:
            raise Unplaced(f"{shown}, no number")
        return float(match[1].replace(",", ".")), match[2] is not None
    if value is None:
        raise Unplaced("its value is left out, a placeholder")
    number = finite(value)
    if number is None:
        raise Unplaced(f"{shown}, no number")
    if number < 0:
        raise Unplaced(f"{shown}, which no run gives")
    return number, False


def questions_of(words: str) -> tuple[int | None, bool]:
    """(questions asked, whether that is not all of them), as far as the words tell."""
    for pattern in (_OF_ALL, _LIMIT, _COUNT):
        for match in pattern.finditer(words):
            text = re.sub(r"[, ]", "", next(group for group in match.groups() if group)).rstrip(".")
            count = float(text) if re.fullmatch(r"\d+(\.\d+)?", text) else 0.0
            if 0 < count < 1:
                return None, True
            if count >= FEWEST_COUNTED or pattern is not _COUNT:
                n = min(int(count), QUESTIONS) or None
                return n, n is not None and n < QUESTIONS
    return None, bool(_IN_PART.search(words))


def other_model_of(text: str, model: str) -> str | None:
    """A model that an address or a text names, if it is not this one: by its whole name, or, where this one is a
    folder, by the last part of it."""
    for name in _named_models(text):
        ours, theirs = model.casefold(), name.casefold()
        if ours not in (theirs, theirs.rpartition("/")[2]):
            return name
    return None


def _named_models(text: str) -> list[str]:
    found = []
    for address in _ADDRESS.findall(text):
        try:
            parts = urlsplit(address)
        except ValueError:
            continue
        found += [name for name in parse_qs(parts.query).get("query", []) if re.fullmatch(r"[\w.-]+/[\w.-]+", name)]
        path = [unquote(part) for part in parts.path.split("/") if part]
        if (parts.netloc.endswith("huggingface.co") or parts.netloc == "hf.co") and len(path) >= 2:
            details = re.fullmatch(r"([\w.-]+?)__([\w.-]+)-details", path[-1])
            if details:
                found.append(f"{details[1]}/{details[2]}")
            elif path[0] not in _NO_OWNERS:
                found.append("/".join(path[:2]))
    plain = _ADDRESS.sub(" ", text)
    found += [name for name in _OF_MODEL.findall(plain) if not _NO_MODEL.search(name)]
    return found
