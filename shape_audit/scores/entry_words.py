"""The words of a posted entry, spelled alike: how people write MMLU-Pro, numbers and "not".

Cards are written by hand. A word is understood if it is in `data/mmlu_pro_words.json`; one that is not may make another
benchmark of it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

from shape_audit.scores.readings import questions_by_subject
from shape_audit.shipped import facts

MMLU_PRO = "mmlupro"
"""What every spelling of it becomes."""
_SPELLED_OUT = re.compile(r"massive multi-?\s?task language understanding(?P<pro>[\s-]*\(?pro(?:fessional)?\b\)?)?")
_MENTIONED = re.compile(r"mmlu(?:[\W_]?|\s*[-:]\s*|\s*\(\s*)pro")
_ITSELF = re.compile(r"(?<![^\W_])mmlu(?:[\W_]?|\s*[-:]\s*|\s*\(\s*)pro(?![^\W_])")
_OWNER = re.compile(r"(?<![\w.-])(?!\S*mmlu\S*/)[\w.-]+/(?=\S*mmlu)")
_SAID_BY_NUMBERS = re.compile(
    r"\bmax(?:imum)?[\s_]*(?:new|gen|output|completion)?[\s_]*(?:toks?|tokens|length|len)?[\s=:]*\d[\d.]*k?"
    r"(?:\s*(?:new|output)?\s*tok(?:en)?s?\b)?"
    r"|\d[\d.]*k?\s*(?:new |output |thinking )?(?:tok(?:en)?s?|ctx|context)\b"
    r"|\btop[-_ ]?[pk]\b|\b[nktp]\s*=\s*[\d.]+|\ba\s*-\s*j\b|llama\.?cpp|\bgen [0-9a-f]{6}\b"
    r"|\b\d+\s*x\s*\d+\b|\b(?:full|half)[- ]precision\b|\b\d+(?:-?shots?|-?bits?|qs?|mcqs?)\b"
    r"|\ben[- ](?:us|gb)\b|\b[ablhv]\d{2,3}s?\b|\b20[2-3]\d-[01]\d(?:-[0-3]\d)?\b"
)
"""Settings that only with their number are known for what they are; languages and devices that are no matter."""
_FEWER_OPTIONS = re.compile(r"(?<![\d.])[2-9][\s-]*(?:way|options?|choices?)\b")
"""Made easier: MMLU-Pro has up to ten."""
FARTHEST_NOT = 100
"""Characters before a word in which a "not" is looked for."""
_NOT = r"(?:no|not|non|never|nor|neither|without|rather than|instead of|unlike|free of|(?:is|are|was|were|did|do)n't)"
_BETWEEN = (
    r"(?:a|an|the|any|of|on|in|to|by|from|with|using|only|just|further|other|post-training|weight|been|be|being|taken|"
    r"used|run|limited|directly|comparable|or|\d-?bit)"
)
"""Words that a "not" reaches over; behind any other it is about something else: "no thinking, 4-bit"."""
_NEGATED = re.compile(rf"(?:\b{_NOT}[\s-]+(?:{_BETWEEN}[\s-]+)*|\bun-?|\bnon-?)$", re.IGNORECASE)


def spelled_alike(text: str) -> str:
    """A text in small letters, with one kind of hyphen, plain numbers, and "w/" written out."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    plain = "".join("-" if unicodedata.category(c) == "Pd" or c == "\u2212" else c for c in plain
                    if unicodedata.category(c) != "Cf")  # fmt: skip
    plain = re.sub(r"\bw/o\b", "without", re.sub(r"\bw/(?!o\b)", "with ", plain))
    return re.sub(r"(?<=\d)[, '](?=\d{3}(?!\d))", "", plain)


def mentions_mmlu_pro(text: str) -> bool:
    return _MENTIONED.search(_named(text)) is not None


def _named(text: str) -> str:
    return _SPELLED_OUT.sub(lambda match: " mmlu-pro " if match["pro"] else " ", spelled_alike(text))


def unknown_words(text: str) -> list[str]:
    """The words of a name that do not leave MMLU-Pro what it is, in their order; `mmlupro` is one of them."""
    plain = _ITSELF.sub(f" {MMLU_PRO} ", _OWNER.sub("", _named(text)))
    found: list[str] = []
    for words, is_inside in _segments(_without_numbers(plain)):
        after = words[len(words) - words[::-1].index(MMLU_PRO) :] if MMLU_PRO in words else words
        if after and _are_all(after, "function") and (is_inside or MMLU_PRO in words):
            found += after  # such a word alone is a language: "no", "it"
            words = words[: -len(after)]
        found += [word for word in words if not _is_known(word, is_inside)]
    return found


def _without_numbers(text: str) -> str:
    return _SAID_BY_NUMBERS.sub(" ", _FEWER_OPTIONS.sub(" fewer options ", text.replace("_", " ")))


def _segments(text: str) -> Iterator[tuple[list[str], bool]]:
    """(words, whether they stand in brackets) of the parts of a name."""
    depth = 0
    for part in re.split(r"([()\[\]{},;|])", text):
        depth += (part in "([{") - (part in ")]}") if part else 0
        words = re.findall(r"[^\W_]+|\+", part)
        if words:
            yield words, depth > 0


def _is_known(word: str, is_inside: bool) -> bool:
    if word.isdigit() or re.fullmatch(r"[^\W\d_]+evals?|[^\W\d_]+harness", word):
        return True
    if is_inside and re.fullmatch(r"\d+k", word):
        return True
    return any(word in words for name, words in word_groups().items() if is_inside or name != "in_brackets")


def _are_all(words: Sequence[str], group: str) -> bool:
    return all(word in word_groups()[group] for word in words)


def groups_of(text: str) -> set[str]:
    """The groups that the known words of a name belong to."""
    words = {word for words, _ in _segments(_without_numbers(_named(text))) for word in words}
    return {name for name, known in word_groups().items() if words & known}


def subjects_of(words: Sequence[str]) -> list[str] | None:
    """The subjects, or groups of them, that words name together; None where one is neither."""
    found: list[str] = []
    rest = list(words)
    while rest:
        for length in (2, 1):
            name = "_".join(rest[:length])
            name = facts("mmlu_pro_words")["subjects"].get(name, name)
            if name in questions_by_subject() or name in facts("mmlu_pro_words")["groups"]:
                found.append(name)
                rest = rest[length:]
                break
        else:
            return None
    return found


def affirmed(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    """The first match that no "not" or "without" before it takes back."""
    return next((match for match in pattern.finditer(text) if not is_negated(match)), None)


def is_negated(match: re.Match[str]) -> bool:
    """Whether a "not" before a match takes it back."""
    before = match.string[max(0, match.start() - FARTHEST_NOT) : match.start()]
    return _NEGATED.search(before) is not None


@cache
def word_groups() -> Mapping[str, frozenset[str]]:
    return {name: frozenset(words) for name, words in facts("mmlu_pro_words")["qualifiers"].items()}
