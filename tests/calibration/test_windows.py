"""Windows exactly as promised: slots, starts, ids, bytes, and what is said when the text is too short."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from shape_audit.calibration import (
    CalibrationText,
    WindowCutter,
    WindowTokenizer,
    load_tokenizer,
    replay_windows,
    save_windows,
)
from shape_audit.calibration.window_cutting import passage_of_slot, seeded_order
from shape_audit.errors import CorruptFileError, IncompleteError, UsageError
from shape_audit.hub import builtin_names, parse_model

WORDS = ("the", "shape", "of", "a", "model", "größer", "width", "depth", "naïve", "日本")
TEXT = " ".join(WORDS[i * i % 10] for i in range(3000))


def calibration(content: str | bytes) -> CalibrationText:
    return CalibrationText("text.txt", content.encode() if isinstance(content, str) else content)


@pytest.fixture(scope="module")
def byte_tokenizer() -> WindowTokenizer:
    assert "bytes-1m" in builtin_names()
    folder = parse_model("builtin:bytes-1m").root
    assert folder is not None
    return load_tokenizer(folder, "bytes-1m")


def word_tokenizer(*, bos: bool = False, eos: bool = False, trim_offsets: bool = True) -> WindowTokenizer:
    """Byte-level BPE that knows the words of TEXT whole, leading space included, as GPT-2's kind does."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    alphabet = bytes_to_unicode()
    vocabulary = {character: byte for byte, character in alphabet.items()}
    merges: list[tuple[str, str]] = []
    for word in (*(f" {word}" for word in WORDS), *WORDS):
        pieces = [alphabet[byte] for byte in word.encode()]
        left = pieces[0]
        for right in pieces[1:]:
            if left + right not in vocabulary:
                vocabulary[left + right] = len(vocabulary)
                merges.append((left, right))
            left += right
    vocabulary |= {"<s>": len(vocabulary), "</s>": len(vocabulary) + 1}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    steps: list[Any] = [processors.ByteLevel(trim_offsets=trim_offsets)]
    if bos or eos:
        single = ("<s> " if bos else "") + "$A" + (" </s>" if eos else "")
        special = [(name, vocabulary[name]) for name in ("<s>", "</s>")]
        steps.append(processors.TemplateProcessing(single=single, special_tokens=special))
    backend.post_processor = processors.Sequence(steps)
    fast = PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>")
    return WindowTokenizer(fast, sha256="word", adds_bos=bos)


def test_slots_are_disjoint_in_seeded_order_and_more_windows_extend_fewer(byte_tokenizer: WindowTokenizer) -> None:
    few = WindowCutter(calibration(TEXT), byte_tokenizer, seq_len=32, seed=7).first(5)
    many = WindowCutter(calibration(TEXT), byte_tokenizer, seq_len=32, seed=7).first(20)
    assert many.windows[:5] == few.windows
    spans = sorted(window.byte_offsets or (0, 0) for window in many.windows)
    assert all(end <= begin for (_, end), (begin, _) in pairwise(spans))
    assert all(begin // 384 == (end - 1) // 384 for begin, end in spans)
    other = WindowCutter(calibration(TEXT), byte_tokenizer, seq_len=32, seed=8).first(20)
    assert other.windows != many.windows
    assert sorted(seeded_order(100, 3)) == list(range(100)) and seeded_order(100, 3)[:3] == [89, 85, 58]


def test_every_model_sees_the_same_starts(byte_tokenizer: WindowTokenizer) -> None:
    tokenizers = [byte_tokenizer, word_tokenizer(), word_tokenizer(bos=True)]
    sets = [WindowCutter(calibration(TEXT), t, seq_len=8, passage_bytes=200).first(10) for t in tokenizers]
    bos_starts = [window.byte_offsets[0] for window in sets[2].windows if window.byte_offsets]
    for window_set in sets[:2]:
        for start, window in zip(bos_starts, window_set.windows, strict=True):
            assert window.byte_offsets is not None  # without BOS, the first id is no target
            assert start <= window.byte_offsets[0] <= start + len("größer".encode())


def test_a_window_starts_at_the_first_word_that_begins_in_the_slots_first_quarter() -> None:
    content = b"xx yyyy zz and more text to fill this slot up"
    assert passage_of_slot(content, 0, 40).begin == 3
    assert passage_of_slot(b" word and so on and on it goes", 0, 30).begin == 1
    assert passage_of_slot(b"one" + b" two three four five six seven", 0, 12).begin == 0  # " two" begins at 4 > 12 / 4
    assert passage_of_slot(b"ab cd" + b"e" * 15, 0, 20).begin == 3
    second = passage_of_slot(b"0123456 8" + b"9" * 11, 1, 8)  # the byte before the slot does not count
    assert (second.begin, second.text) == (8, "89999999")
    assert passage_of_slot(b"word\xc2\xa0next and so on", 0, 24).begin == 0
    assert passage_of_slot(b"w\xc2\xa0next and so on and on", 0, 24).begin == 3  # white space as Unicode has it


def test_text_without_spaces_starts_at_the_slots_first_whole_character() -> None:
    content = ("日本語" * 40).encode()
    for slot in range(5):
        passage = passage_of_slot(content, slot, 32)
        assert passage.begin in (slot * 32, slot * 32 + 1, slot * 32 + 2)
        assert content[passage.begin :].startswith(passage.text.encode())
        assert len(content[slot * 32 : slot * 32 + 32]) - len(passage.text.encode()) <= 4


@given(st.text(max_size=200), st.integers(1, 60))
def test_passages_are_whole_characters_of_their_slot(text: str, slot_bytes: int) -> None:
    content = text.encode("utf-8", "replace")
    for slot in range(len(content) // slot_bytes):
        passage = passage_of_slot(content, slot, slot_bytes)
        raw = passage.text.encode()
        assert content[passage.begin : passage.begin + len(raw)] == raw
        assert slot * slot_bytes <= passage.begin and passage.begin + len(raw) <= (slot + 1) * slot_bytes


def test_ids_are_inputs_and_one_more_target(byte_tokenizer: WindowTokenizer) -> None:
    window = WindowCutter(calibration(TEXT), byte_tokenizer, seq_len=16).first(1).windows[0]
    assert len(window.input_ids) == 17 and window.byte_offsets is not None
    begin, end = window.byte_offsets
    assert TEXT.encode()[begin:end] == bytes(window.input_ids[1:])


@pytest.mark.parametrize("trim", [True, False])
def test_bytes_are_those_the_targets_cover(trim: bool) -> None:
    text = "the shape of a model größer width depth naïve 日本 " * 30
    for bos in (False, True):
        tokenizer = word_tokenizer(bos=bos, trim_offsets=trim)
        windows = WindowCutter(calibration(text), tokenizer, seq_len=6, passage_bytes=400).first(3)
        for window in windows.windows:
            assert window.byte_offsets is not None
            begin, end = window.byte_offsets
            targets = window.input_ids[1:]
            assert text.encode()[begin:end].decode() == tokenizer.tokenizer.decode(targets)
        assert windows.facts.bytes == sum(e - b for b, e in (w.byte_offsets or (0, 0) for w in windows.windows))
        assert windows.facts.adds_bos == bos and windows.facts.tokens == 18


def test_characters_of_several_ids_count_once(byte_tokenizer: WindowTokenizer) -> None:
    text = "日本語" * 100
    windows = WindowCutter(calibration(text), byte_tokenizer, seq_len=7, passage_bytes=60).first(2)
    for window in windows.windows:
        assert window.byte_offsets is not None
        begin, end = window.byte_offsets
        # ids[0] is the first byte of the first character, ids[7] the second of the third
        assert end - begin == 7 and text.encode()[begin:end] == bytes(window.input_ids[1:])


def test_eos_is_never_part_of_a_window() -> None:
    tokenizer = word_tokenizer(bos=True, eos=True)
    encoding = tokenizer.encode("the shape")
    assert tokenizer.tokenizer.convert_ids_to_tokens(list(encoding.ids))[0] == "<s>" and len(encoding.ids) == 3
    assert encoding.prefix == 1 and encoding.offsets is not None and len(encoding.offsets) == 3


def test_too_short_says_how_much_there_is(byte_tokenizer: WindowTokenizer) -> None:
    with pytest.raises(
        IncompleteError, match=r"too little text for 9 windows: 300 bytes make 3 slots of 96; ask for --windows 3 at"
    ):
        WindowCutter(calibration("a" * 300), byte_tokenizer, seq_len=8).first(9)
    with pytest.raises(IncompleteError, match="0 bytes make 0 slots"):
        WindowCutter(calibration(""), byte_tokenizer, seq_len=8).first(1)


def test_a_slot_with_too_few_ids_says_what_would_do() -> None:
    text = calibration("the shape of a model width depth " * 200)
    with pytest.raises(
        IncompleteError, match=r"slot \d+ gives \d+ ids, a window takes 41\. --passage-bytes (\d+)"
    ) as e:
        WindowCutter(text, word_tokenizer(), seq_len=40, passage_bytes=80).first(4)
    enough = int(str(e.value).split("--passage-bytes ")[1].split()[0])
    assert len(WindowCutter(text, word_tokenizer(), seq_len=40, passage_bytes=enough).first(4).windows) == 4


def test_windows_replay_to_the_same_numbers(byte_tokenizer: WindowTokenizer, tmp_path: Path) -> None:
    cut = WindowCutter(calibration(TEXT), byte_tokenizer, seq_len=12).first(6)
    save_windows(tmp_path / "windows.jsonl", cut)
    replayed = replay_windows(tmp_path / "windows.jsonl", byte_tokenizer, vocab_size=256)
    assert replayed.windows == cut.windows
    assert (replayed.facts.dataset, replayed.facts.passage_bytes, replayed.facts.seed) == ("windows.jsonl", None, None)
    assert (replayed.facts.bytes, replayed.facts.tokens) == (cut.facts.bytes, cut.facts.tokens)
    assert replayed.facts.seq_len == replayed.seq_len == 12


def row(offsets: str, ids: str) -> str:
    """A line of a windows file."""
    return f'{{"index": 0, "byte_offsets": {offsets}, "input_ids": {ids}}}'


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        (lambda lines: [], CorruptFileError, "not a windows file"),
        (lambda lines: lines[:1], CorruptFileError, "one length"),
        (lambda lines: ["{}", *lines[1:]], CorruptFileError, "not a windows file"),
        (lambda lines: [lines[0].replace('": "', '": "0'), *lines[1:]], UsageError, "made by another tokenizer"),
        (lambda lines: [*lines, lines[-1].replace("]}", ", 3]}")], CorruptFileError, "one length"),
        (lambda lines: [*lines, lines[-1]], CorruptFileError, "same index"),
        (lambda lines: [lines[0], lines[1].replace("]}", "") + "]}"[:1]], CorruptFileError, "not a windows file"),
        (lambda lines: [lines[0], row("null", "[1, 256]")], CorruptFileError, "256"),
        (lambda lines: [lines[0], row("null", "[1, -2]")], CorruptFileError, "not a windows file"),
        (lambda lines: [lines[0], row("null", "[1]")], CorruptFileError, "one length"),
        (lambda lines: [lines[0], row("[5, 2]", "[1, 2]")], CorruptFileError, "not a windows file"),
        (lambda lines: [lines[0], "7"], CorruptFileError, "not a windows file"),
    ],
)  # fmt: skip
def test_damaged_windows_files(
    byte_tokenizer: WindowTokenizer, tmp_path: Path, change: Any, error: type[Exception], says: str
) -> None:
    path = tmp_path / "windows.jsonl"
    save_windows(path, WindowCutter(calibration(TEXT), byte_tokenizer, seq_len=12).first(2))
    path.write_text("\n".join(change(path.read_text().splitlines())))
    with pytest.raises(error, match=says):
        replay_windows(path, byte_tokenizer, vocab_size=256)
