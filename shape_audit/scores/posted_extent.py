"""How many of the questions a posted score is of, by the words that stand with it.

Names of benchmark and metric are short, and their words are about the benchmark: a number there is one of questions
unless it is something else (shots, a version, a year). Notes and sources are about anything, so there a number needs
its unit and a word its object: "Phi-4-mini report" is no small benchmark, "average of 64 samples" no 64 questions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from shape_audit.scores.entry_words import affirmed, is_negated, spelled_alike, subjects_of, word_groups
from shape_audit.scores.protocols import QUESTIONS
from shape_audit.scores.readings import finite, questions_by_subject


class Extent(NamedTuple):
    """Questions asked, where that is said, and whether they are not all."""

    n: int | None = None
    is_limited: bool = False


FEWEST_SAMPLES = 50
"""A smaller number of samples is one of answers to a question, or of examples in the prompt."""
FEWEST_QUESTIONS = 11
FEWEST_BARE = 20
"""A smaller number without a unit is one of shots."""
ROUNDED_TO_ALL = 12_000

_NUMBER = r"(?<![\w.,@-])(?P<n>\d+(?:\.\d+)?)(?P<k>k?)"
_SURE = r"questions?|qs?|mcqs?|mcq questions|items?|problems?|test cases|cases|entries|rows|records|data ?points"
_UNSURE = r"samples?|examples?|prompts?|instances?|documents|docs"
_BETWEEN = (
    r"(?:(?:random|randomly|sampled|selected|chosen|test|multiple[- ]choice|mmlu[-_ ]?pro|stratified|first|held[- ]out|"
    r"different|unique|total|of the)[\s-]+){0,3}"
)
_SUBJECT = (
    r"(?:(?:the|14|every|each)\s+)*"
    r"(?:subjects?|categor(?:y|ies)|disciplines?|domains?|fields?|topics?|sub-?tasks?|tasks?|areas?)"
)
_PER_SUBJECT = re.compile(
    rf"{_NUMBER}[\s-]*{_BETWEEN}(?:(?:{_SURE}|(?P<unsure>{_UNSURE}))\s*)?"
    rf"(?:(?:from|for|in|of|per)\s+each|per|each|/|a|x|for every)\s*(?:of\s+)?{_SUBJECT}\b"
    r"|\b14\s*(?:subjects\s*)?x\s*(?P<n2>\d+)\b"
)
_FEW_SUBJECTS = re.compile(
    r"(?<![\w.])(?:single|one|two|three|four|five|six|seven|eight|nine|ten|\d|1[0-3])[\s-]+(?:of\s+(?:the\s+)?14\s+)?"
    r"(?:subject|category|discipline|domain|subtask)s?\b|(?<![\w.])(?:[2-9]|1[0-3])\s+categories\b"
)
_OF_SUBJECTS = frozenset((
    "alone", "categories", "category", "except", "excluding", "just", "minus", "no", "only", "part", "questions",
    "split", "subject", "subjects", "subset", "without",
))  # fmt: skip
"""What a clause says of subjects that it names, where they were all that was asked, or were not."""
_OF_ALL = re.compile(
    r"(?P<n>\d+(?:\.\d+)?)(?P<k>k?)\s*(?:questions\s+)?(?:of|out of|/)\s*(?:the\s+|all\s+)?12[. ]?(?:032|k)"
)
_LIMIT = re.compile(
    r"\b(?:limit(?:ed)?(?:\s+(?:to|of))?|max_samples|num_samples|first|only|random(?:ly)?|(?:sub)?sample (?:size|of)|"
    r"subset of|(?:num_)?questions|subset[_ ]size)(?:\s+the)?(?:\s+first)?\s*[=: ]\s*"
    r"(?P<n>\d+(?:\.\d+)?)(?P<k>k?)(?![\w.%-])"
    r"(?!\s*(?:new|output|thinking|reasoning|input|k)?\s*(?:tok|word|char|context|ctx|ms\b|s\b|sec|min|hour|gb|step|"
    r"shot|turn|option|choice|attempt|retr|thread|request|run|seed|gpu))"
)
_COUNT = re.compile(rf"{_NUMBER}[\s-]*{_BETWEEN}(?:(?P<sure>{_SURE})|{_UNSURE})\b")
_N = re.compile(r"\bn\s*=\s*(?P<n>\d+)(?P<k>k?)(?![\w.])")
_NOT_A_COUNT_BEFORE = re.compile(r"\bbatch(?:es|ed)?(?:[ _]size)?\s*(?:of|=|:)?\s*$")
_ANSWERS_BEFORE = re.compile(
    r"\b(?:av(?:era)?ge?d?|mean|median|maj(?:ority)?(?: vot(?:e|ing))?|best|consensus|cons|votes?|pass)"
    r"[\s@]*(?:of|over|across|from|with)?\s*$"
)
_ANSWERS_AFTER = re.compile(r"\s*(?:per|a|each|for (?:each|every))\s*(?:question|prompt|item|problem)")
_UNDONE_AFTER = re.compile(
    r"\s+(?:(?:that|which|were|was|are|had|left)\s+)*(?:unanswered|fail|timed?\b|could|cannot|invalid|un-?pars|truncat|exceed|"
    r"refus|skip|err)"
)
_LENGTH_BEFORE = re.compile(
    r"\b(?:context|length|thinking|tokens?|budget|outputs?|generations?|reasoning|window|answers?|responses?)"
    r"\s+(?:(?:is|was|are)\s+)?$"
)
_AT_ONCE = re.compile(
    r"\s*(?:at a time|at once|in parallel|concurrent|(?:per|a|/)\s*(?:batch|second|minute|hour|gpu|request|s\b))"
)
_FRACTION = re.compile(
    r"\b(?:(?:a|one|two|three|\d)[\s-]+)?(?:half|third|quarter|fourth|fifth|sixth|eighth|tenth|twentieth|hundredth)s?"
    r"(?:\s+of)?\s+(?:all|the|its|mmlu)\b|\bevery (?:\w+th|second|third) question|\bone in \w+ questions"
    r"|\b\d/\d+ of\b|(?<![\w.])0\.\d+ of the (?:questions|test|set|data|benchmark)"
    r"|\b(?!100\s*%|100 per)\d+(?:\.\d+)?\s*(?:%|percent|per cent|pct)\s*(?:of\s+(?:(?:the|all|its)\s+)*"
    r"(?:questions|items|problems|samples|test|set|data|benchmark|mmlu|it\b|them\b|all\b)"
    r"|(?:random\s+)?(?:sub-?)?(?:sample|set)\b)"
)
_UNANSWERED = re.compile(
    r"[^.,;|]*\b(?:unanswered|without|fail|timed?|could|can|cannot|had|hit|invalid|un?-?pars|truncat|exceed|refus|err|"
    r"no |skip|wrong|correct|lost|ran|reach)"
)
"""What may be said of a share of questions that were asked with the others."""
_PERCENT = re.compile(
    r"(?<![\w.±])(?<!± )(?P<n>\d+(?:\.\d+)?)\s*(?:%|percent\b|per cent\b|pct\b)(?!\s*(?:ci\b|confidence))"
)
_PART_OF_NAME = re.compile(
    r"(?<![^\W_])(?:limited|subset|sub-?sampled?|partial|sampled|stratified|random(?!ly? guess)|mini|lite|tiny|small|"
    r"smoke|quick|preview|part|shard|fraction|val|valid|validation|dev|development|half|third|quarter|fifth|tenth|"
    r"(?<!per[ -])(?<!single )sample)(?![^\W_])"
)
_PART_IN_TEXT = re.compile(
    r"(?<![\w-])limited"
    r"(?!\s+(?:by|in|compute|resources|budget|context|thinking|reasoning|memory|availab|v?ram\b|gpu|hardware|time|"
    r"to\s+(?:\d|the context)))"
    r"|(?<![\w-])(?:subset|sub-set|sub-?sampled?)(?![\w-])"
    r"|(?<![\w-])(?:random(?:ly)?|stratified)[\s-]+(?:sample|selection|chosen|sampled|selected)\b"
    r"|\bsampled (?:questions|items|from the test|set)\b|\b(?:questions|items) (?:were |are )?sampled\b"
    r"|(?<![\w-])(?:mini|lite|tiny|small|quick|preview|smoke|partial)[\s-]+"
    r"(?:run|test|eval|evaluation|set|sample|check|benchmark|split)\b"
)
_OTHER_SPLIT = re.compile(r"(?<![\w-])(?:validation|dev|development)[\s-]+(?:split|set|questions)\b")
_EXAMPLES = re.compile(r"\bshots?\b|\bexamples\b|\bexemplars\b|\bdemonstrations\b|\bprompts?\b")
"""What is taken from the validation split in a run on the test split."""
_NO_COUNT = re.compile(
    r"\bv?\d+\.\d+(?:\.\d+)*(?!\s*[k%])\w*|\bv\d+|\b20[2-3]\d(?:-?[01]\d(?:-?[0-3]\d)?)?\b|\d+[\s-]*shots?\b|@\s*\d+"
    r"|\d+k?[\s-]*(?:(?:new|output|thinking|reasoning)\s*)?(?:tok(?:en)?s?|ctx|context|length|len|words)\b"
    r"|\d+[\s-]*(?:subjects?|categories|disciplines|domains|options?|choices?|ways?|tasks?|runs?|seeds?|trials?|"
    r"votes?|rounds?|turns?|epochs?|steps?|gpus?|bits?|b|samples?|generations?|answers?|examples?)\b"
    r"|\b(?:temperature|temp|top[-_ ]?[pk]|seeds?|max[_a-z ]*|tokens|context|ctx|length|batch(?:[_ ]size)?|tp|dp|"
    r"[tkpn])\s*[=: ]\s*\d[\d.]*k?"
    r"|\b(?:avg|average|mean|maj\w*|best|cons\w*)[\s@]*(?:of|over)?\s*\d+"
    r"|(?:±|\+/?-)\s*\d[\d.]*|\b\d+(?:\.\d+)?\s*%"
)
"""Numbers of something else: versions, years, shots, tokens, samples of an answer."""
_BARE = re.compile(r"(?<![\w.])-?(?P<n>\d+)(?P<k>k?)(?![\w.%])|(?<![\w.])(?P<n2>\d+\.\d+)(?P<k2>k)(?!\w)")
_SLICE = re.compile(r"\[\s*(?P<first>\d*)%?\s*:\s*(?P<end>\d*)(?P<percent>%?)\s*\]")
_WHOLE_SPLIT = frozenset(("", "test", "default", "main", "all", "full", "none", "null", "set", "split", "testset"))
_NUMBER_WORDS = {"a": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
                 "nine": 9, "ten": 10, "fifteen": 15, "twenty": 20, "thirty": 30, "fifty": 50}  # fmt: skip
_IN_WORDS = re.compile(
    rf"\b({'|'.join(_NUMBER_WORDS)})"
    rf"(?:[\s-]+(hundred|thousand)\b|(?=\s+(?:percent|per\s?cent|pct|(?:{_SURE})\s+(?:per|each)\b)))"
)
_LIMITING_ARGS = re.compile(
    r"limit|(?:max|num|n|number_of)_?(?:samples|questions|examples|instances|items)|(?:sample|subset)_?size|"
    r"questions|(?:sub)?samples?|subset|size"
)


def extent_of(
    names: Iterable[str] = (),
    texts: Iterable[str] = (),
    *,
    splits: Iterable[str] = (),
    args: Mapping[str, Any] | None = None,
) -> Extent:
    """What an entry says of how many questions were asked; the first that says a number decides.

    Args:
        names: of benchmark, configuration and metric.
        texts: notes, and the source's name.
        splits: of the dataset.
        args: of dataset and metric.
    """
    in_names = [_plain(name) for name in names]
    in_texts = [_plain(text) for text in texts]
    found = [_of_split(_plain(split)) for split in splits]
    found += [_of_args(args or {})]
    found += [_counted(text) for text in (*in_names, *in_texts)]
    found += [_of_name(text) for text in in_names]
    found += [_of_text(text) for text in in_texts]
    limited = [one for one in found if one.is_limited]
    return next((one for one in (*limited, *found) if one.n is not None), Extent(None, bool(limited)))


def _plain(text: str) -> str:
    plain = re.sub(r"(?<=12)[. ](?=032(?!\d))", "", spelled_alike(text))
    factors = {"hundred": 100, "thousand": 1000, None: 1}
    return _IN_WORDS.sub(lambda match: str(factors[match[2]] * _NUMBER_WORDS[match[1]]), plain)


def _asked(number: str, thousands: str | None) -> Extent:
    """What a number of questions says: a share of them below 1, all from 12,000 (rounded) or more than there are."""
    count = float(number) * (1000 if thousands else 1)
    if 0 < count < 1:
        return Extent(None, True)
    n = int(min(count, QUESTIONS))
    if n == ROUNDED_TO_ALL:
        return Extent()
    return Extent(n or None, 0 < n < QUESTIONS)


def _counted(text: str) -> Extent:
    """Of a number with its unit."""
    for match in _PER_SUBJECT.finditer(text):
        each = int(min(float(match["n"] or match["n2"]) * (1000 if match["k"] else 1), QUESTIONS))
        n = sum(min(each, count) for count in questions_by_subject().values())
        if each and not (match["unsure"] and each < FEWEST_QUESTIONS):  # "5 examples per subject" are shots
            return Extent(n, n < QUESTIONS)
    if affirmed(_FEW_SUBJECTS, text):
        return Extent(None, True)
    for match in (*_OF_ALL.finditer(text), *_LIMIT.finditer(text)):
        is_of_few = re.match("only|first|random", match[0]) and not match["k"] and float(match["n"]) < FEWEST_BARE
        is_of_length = _LENGTH_BEFORE.search(text[: match.start()])
        if float(match["n"]) > 0 and not is_of_few and not is_of_length and not is_negated(match):
            return _asked(match["n"], match["k"])
    for match in _COUNT.finditer(text):
        fewest = FEWEST_QUESTIONS if match["sure"] else FEWEST_SAMPLES
        before, after = text[: match.start()], text[match.end() :]
        is_of_answers = not match["sure"] and (_ANSWERS_BEFORE.search(before) or _ANSWERS_AFTER.match(after))
        is_batch = _NOT_A_COUNT_BEFORE.search(before) or _AT_ONCE.match(after)
        is_enough = match["k"] or float(match["n"]) >= fewest
        if is_enough and not (is_of_answers or is_batch or _UNDONE_AFTER.match(after) or is_negated(match)):
            return _asked(match["n"], match["k"])
    for match in _N.finditer(text):
        n = int(match["n"])
        if match["k"] or (n >= FEWEST_SAMPLES and (n & (n - 1) or n > 512)):  # a power of two is answers a question
            return _asked(match["n"], match["k"])
    return Extent()


def _of_name(name: str) -> Extent:
    """Of what only the name of a benchmark or metric says so briefly: a bare number, a percentage, "dev"."""
    tail = re.sub(r"[\w.-]+/(?=\S*mmlu)", "", name).replace("_", " ")
    rest = _NO_COUNT.sub(" ", _SLICE.sub(" ", tail))
    for match in _BARE.finditer(rest):
        number, thousands = match["n"] or match["n2"], match["k"] or match["k2"]
        if thousands or float(number) >= FEWEST_BARE:
            return _asked(number, thousands)
    if re.search(r"[(\[]\s*0?\.\d+\s*[)\]]", tail):
        return Extent(None, True)
    percent = _PERCENT.search(tail)
    is_share = percent is not None and 0 < float(percent["n"]) < 100
    return Extent(None, is_share or bool(affirmed(_PART_OF_NAME, tail) or affirmed(_FRACTION, tail)))


def _of_text(text: str) -> Extent:
    """Of words that say in a sentence that not all was asked."""
    of_other_split = any(affirmed(_OTHER_SPLIT, clause) and not _EXAMPLES.search(clause) for clause in _clauses(text))
    share = affirmed(_FRACTION, text)
    is_share = share is not None and not _UNANSWERED.match(text[share.end() :])
    return Extent(None, of_other_split or is_share or affirmed(_PART_IN_TEXT, text) is not None)


def _clauses(text: str) -> list[str]:
    return re.split(r"[.;,|\n]+\s", text)


def is_of_subjects(text: str) -> bool:
    """Whether a clause is of nothing but subjects and that they were asked or left out ("math only", "without law"), or
    several subjects are listed. One subject in other words is about something else: "math with a calculator"."""
    beside = word_groups()["function"] - {"not", "non"}
    listed: list[str] = []
    for clause in _clauses(_plain(text)):
        words = re.findall(r"[^\W_]+", clause)
        named = subjects_of([word for word in words if word not in _OF_SUBJECTS and word not in beside])
        if named and named != ["other"]:
            if _OF_SUBJECTS.intersection(words):
                return True
            listed += named
    return len(set(listed)) > 1


def _of_split(split: str) -> Extent:
    """Of a split, and of a slice of it: "test[:100]"."""
    cut = _SLICE.search(split)
    words = re.findall(r"[^\W\d_]+", _SLICE.sub(" ", split))
    if not set(words) <= _WHOLE_SPLIT:
        return Extent(None, True)
    if cut is None or not (cut["first"] or cut["end"]):
        return Extent()
    if cut["percent"] or not cut["end"]:
        return Extent(None, cut["end"] != "100" or cut["first"] not in ("", "0"))
    n = min(int(cut["end"]), QUESTIONS) - int(cut["first"] or 0)
    return Extent(n if n > 0 else None, n < QUESTIONS)


def _of_args(args: Mapping[str, Any]) -> Extent:
    for key, value in args.items():
        number = finite(value)
        if number is not None and number > 0 and _LIMITING_ARGS.fullmatch(str(key).lower()):
            return _asked(f"{number:f}", None)
    return Extent()
