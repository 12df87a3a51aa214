"""Cutting a text into windows that start at the same places for every model.

The text's bytes are cut into disjoint slots of exactly `passage_bytes`; a remainder is dropped; slots are taken in
seeded order. A window starts at the first word that begins inside the slot's first quarter (where no white space
tells words apart, at the slot's first whole character) and is the slot's text from there, tokenised by itself and cut
to seq_len + 1 ids. Every model sees the same starts, not the same number of bytes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from shape_audit.calibration.byte_span import bytes_before
from shape_audit.calibration.text import CalibrationText
from shape_audit.calibration.tokenizer import Encoding, WindowTokenizer
from shape_audit.calibration.window_set import Window, WindowSet, covered_bytes
from shape_audit.errors import IncompleteError, UsageError
from shape_audit.records import Calibration

DEFAULT_PASSAGE_FACTOR = 12
"""Default slot length in bytes per id of the window: room for any tokenizer on most texts."""


@dataclass(frozen=True)
class Passage:
    """The text of one slot from its window's start on.

    Attributes:
        begin: where it starts, in bytes of the calibration text.
        text: whole characters from there to the slot's end.
    """

    begin: int
    text: str


def slot_count(text: CalibrationText, *, seq_len: int, passage_bytes: int | None = None) -> int:
    """How many windows a text can give."""
    return len(text.content) // (DEFAULT_PASSAGE_FACTOR * seq_len if passage_bytes is None else passage_bytes)


class WindowCutter:
    """Windows of `seq_len` inputs (and one more target) each, cut once however often they are asked for."""

    def __init__(
        self,
        text: CalibrationText,
        tokenizer: WindowTokenizer,
        seq_len: int,
        passage_bytes: int | None = None,
        seed: int = 0,
    ) -> None:
        """
        Args:
            passage_bytes: length of a slot; None for `DEFAULT_PASSAGE_FACTOR` a token.

        Raises:
            UsageError: a count is not positive.
        """
        self._text, self._tokenizer, self._seq_len, self._seed = text, tokenizer, seq_len, seed
        self._slot_bytes = DEFAULT_PASSAGE_FACTOR * seq_len if passage_bytes is None else passage_bytes
        for name, value in (("--seq-len", seq_len), ("--passage-bytes", self._slot_bytes)):
            if value < 1:
                raise UsageError(f"{name} must be at least 1, not {value}")
        self._order = seeded_order(len(text.content) // self._slot_bytes, seed)
        self._cut: list[Window] = []

    def first(self, windows: int) -> WindowSet:
        """The first so many; more of them begin with these.

        Raises:
            UsageError: the count is not positive.
            IncompleteError: the text has too few slots, or a slot gives too few ids; the message says what would do.
        """
        if windows < 1:
            raise UsageError(f"--windows must be at least 1, not {windows}")
        slots = len(self._order)
        if slots < windows:
            fewer = f"ask for --windows {slots} at most, " if slots > 1 else ""
            raise IncompleteError(
                f"{self._text.dataset}: too little text for {windows} windows: {len(self._text.content):,} bytes make "
                f"{slots} slot{'' if slots == 1 else 's'} of {self._slot_bytes:,}; {fewer}lower --seq-len or "
                "--passage-bytes, or take a longer text"
            )
        while len(self._cut) < windows:
            self._cut.append(self._window(len(self._cut)))
        cut = tuple(self._cut[:windows])
        return WindowSet(windows=cut, facts=self._facts(cut))

    def _facts(self, cut: tuple[Window, ...]) -> Calibration:
        text, tokenizer = self._text, self._tokenizer
        return Calibration(
            dataset=text.dataset,
            config=text.config,
            revision=text.revision,
            split=text.split,
            column=text.column,
            text_sha256=text.sha256,
            tokenizer_sha256=tokenizer.sha256,
            adds_bos=tokenizer.adds_bos,
            windows=len(cut),
            seq_len=self._seq_len,
            passage_bytes=self._slot_bytes,
            tokens=len(cut) * self._seq_len,
            bytes=covered_bytes(cut),
            seed=self._seed,
        )

    def _window(self, index: int) -> Window:
        slot, seq_len = self._order[index], self._seq_len
        passage = passage_of_slot(self._text.content, slot, self._slot_bytes)
        try:
            encoding = self._tokenizer.encode(passage.text)
        except IncompleteError as error:
            raise IncompleteError(f"{self._text.dataset}: slot {slot}: {error}") from error
        if len(encoding.ids) < seq_len + 1:
            raise self._too_few_ids(slot, passage, encoding)
        return Window(
            index=index,
            byte_offsets=_target_span(passage, encoding, self._tokenizer, seq_len),
            input_ids=encoding.ids[: seq_len + 1],
            unknown=len(_left_out(passage.text, encoding, up_to=seq_len + 1))
            + self._unknown(passage.text, encoding, up_to=seq_len + 1),
        )

    def _unknown(self, text: str, encoding: Encoding, *, up_to: int) -> int:
        """How many characters, white space aside, the unknown token stands for; not where the text has that itself."""
        if not isinstance(encoding.offsets, tuple) or (unknown := self._tokenizer.unknown) is None:
            return 0
        pairs = zip(encoding.ids[encoding.prefix : up_to], encoding.offsets[encoding.prefix : up_to], strict=True)
        pieces = (text[begin:end] for token_id, (begin, end) in pairs if token_id == unknown[0])
        return sum(not c.isspace() for piece in pieces if piece != unknown[1] for c in piece)

    def _too_few_ids(self, slot: int, passage: Passage, encoding: Encoding) -> IncompleteError:
        found, wanted = len(encoding.ids), self._seq_len + 1
        where = f"{self._text.dataset}: slot {slot} gives {found} ids, a window takes {wanted}"
        unknown = _left_out(passage.text, encoding)
        if unknown:
            return IncompleteError(
                f"{where}: the model's tokenizer has no token for {len(unknown):,} of its {len(passage.text):,} "
                f"characters ({unknown[0]!r} ...) and leaves them out; choose a text in its alphabet with --dataset"
            )
        bytes_per_id = len(passage.text.encode()) / max(1, found)
        needed = round(bytes_per_id * wanted * 1.25 / 0.75)  # a quarter more, and the first quarter may go
        return IncompleteError(
            f"{where}. --passage-bytes {max(needed, self._slot_bytes + 1)} should do, or a lower --seq-len"
        )


def seeded_order(slots: int, seed: int) -> list[int]:
    """Slot numbers in the order of sha256("seed:slot"): the same on every machine and in every release."""
    return sorted(range(slots), key=lambda slot: hashlib.sha256(f"{seed}:{slot}".encode()).digest())


def passage_of_slot(content: bytes, slot: int, slot_bytes: int) -> Passage:
    """The passage of a slot: from the start of its window to its end, in whole characters."""
    begin = slot * slot_bytes
    raw = content[begin : begin + slot_bytes]
    lead = next((i for i, byte in enumerate(raw[:4]) if byte & 0xC0 != 0x80), 0)  # the rest of a character cut in two
    text = raw[lead:].decode("utf-8", "ignore")  # and the beginning of one at the slot's end
    position = lead
    for i, character in enumerate(text):
        if position * 4 >= slot_bytes:
            break
        if i > 0 and text[i - 1].isspace() and not character.isspace():
            return Passage(begin=begin + position, text=text[i:])
        position += len(character.encode())
    return Passage(begin=begin + lead, text=text)


def _left_out(text: str, encoding: Encoding, *, up_to: int | None = None) -> str:
    """The characters that no id stands for, white space aside, of the whole text or before the end of an id."""
    if not isinstance(encoding.offsets, tuple):  # found by decoding, which gives all of the text
        return ""
    spans = encoding.offsets[:up_to] if up_to is not None else (*encoding.offsets, (len(text), len(text)))
    left_out, at = [], 0
    for begin, end in spans:
        left_out += [c for c in text[at:begin] if not c.isspace()]
        at = max(at, end)
    return "".join(left_out)


def _target_span(
    passage: Passage, encoding: Encoding, tokenizer: WindowTokenizer, seq_len: int
) -> tuple[int, int] | None:
    """[begin, end) in bytes of what the targets stand for: ids[1] ... ids[seq_len], or ids[0] too where it is BOS."""
    if encoding.offsets is None:
        return None
    first, last = (bytes_before(passage.text, encoding, count, tokenizer.tokens) for count in (1, seq_len + 1))
    return passage.begin + first, passage.begin + max(first, last)
