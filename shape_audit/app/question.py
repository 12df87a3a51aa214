"""What a visitor typed, or a link holds -> a question that is safe to answer. No file is looked for on the way.

A name is one of the Hub's or of a model that ships, and nothing else: unlike on a command line, a folder of this
machine is never meant, whatever it is called.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode

from shape_audit.errors import UsageError
from shape_audit.escaping import on_a_line
from shape_audit.hub import model_at_hub, parse_model
from shape_audit.records import ModelRef
from shape_audit.yardsticks import DEFAULT_YARDSTICK, shipped_yardsticks

MOST_MODELS = 4
LONGEST_NAME = 200
LONGEST_TEXT = MOST_MODELS * (LONGEST_NAME + 2)
LONGEST_ADDRESS = 3 * LONGEST_TEXT
LONGEST_TOKEN = 400
"""Characters, of each."""
_SEPARATORS = re.compile(r"[\s,;]+")
_TOKEN = re.compile(r"[\w.~+/=-]+", re.ASCII)
"""What an HTTP header may carry as a bearer's token (RFC 6750)."""


@dataclass(frozen=True)
class Question:
    """A question of a visitor's; the token that may come with it is no part of it, so that no link can hold it.

    Attributes:
        names: as they were typed.
        models: what these mean, in the same order.
        yardstick: by which the cost is worked out and drawn.
        measures: whether the models are to be measured too.
    """

    names: tuple[str, ...]
    models: tuple[ModelRef, ...]
    yardstick: str = DEFAULT_YARDSTICK
    measures: bool = False

    @property
    def link(self) -> str:
        """The query part of an address that asks the same, with the question mark."""
        pairs = [("model", name) for name in self.names]
        if self.yardstick != DEFAULT_YARDSTICK:
            pairs.append(("yardstick", self.yardstick))
        if self.measures:
            pairs.append(("measure", "1"))
        return "?" + urlencode(pairs, safe="/:@")


def asked(text: str, yardstick: str = DEFAULT_YARDSTICK, measures: bool = False) -> Question:
    """The question that a visitor asks.

    Args:
        text: up to four names or addresses, with spaces, commas or line ends between them.

    Raises:
        UsageError: none, too many, or something that is no name of a model, in one line.
    """
    if len(text) > LONGEST_TEXT:
        raise UsageError(f"That is too long: give up to {MOST_MODELS} names of at most {LONGEST_NAME} characters.")
    names = tuple(dict.fromkeys(filter(None, _SEPARATORS.split(text))))
    if not names:
        raise UsageError("Give the name of a model, as on the Hugging Face Hub: org/name.")
    if len(names) > MOST_MODELS:
        raise UsageError(f"Give at most {MOST_MODELS} models; these are {len(names)}.")
    if yardstick not in shipped_yardsticks():
        raise UsageError(
            f"There is no yardstick {on_a_line(yardstick, 40)}; there are {', '.join(shipped_yardsticks())}."
        )
    return Question(names, tuple(map(_model, names)), yardstick, measures)


def asked_by_link(query: str) -> Question | None:
    """The question that the query part of an address asks; None where it names no model.

    Raises:
        UsageError: as `asked`.
    """
    if len(query) > LONGEST_ADDRESS:
        raise UsageError("That link is too long.")
    fields = parse_qs(query.removeprefix("?"), max_num_fields=50, errors="replace")
    if not (names := fields.get("model")):
        return None
    yardstick = fields.get("yardstick", [DEFAULT_YARDSTICK])[-1]
    return asked(" ".join(names), yardstick, fields.get("measure", [""])[-1] == "1")


def checked_token(text: str) -> str | None:
    """A visitor's token, which is repeated nowhere; None where there is none.

    Raises:
        UsageError: it can be none.
    """
    token = text.strip()
    if not token:
        return None
    if len(token) > LONGEST_TOKEN or not _TOKEN.fullmatch(token):
        raise UsageError("That is no token of the Hub's: see huggingface.co/settings/tokens.")
    return token


def _model(name: str) -> ModelRef:
    shown = on_a_line(name, 60)
    if len(name) > LONGEST_NAME:
        raise UsageError(f"{shown}: too long for a model's name.")
    if not name.isprintable():
        raise UsageError(f"{shown}: holds characters that no model's name has.")
    if name.startswith("builtin:"):
        return parse_model(name)  # one of those that ship, or an error that lists them
    try:
        return model_at_hub(name)
    except UsageError as error:
        raise UsageError(f"{shown}: no model of the Hub is called so; give org/name, or its page's address.") from error
