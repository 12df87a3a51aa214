"""Tokenizers of every kind: bytes counted exactly, alphabets of their own, and those that do not load."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import ByT5Tokenizer, CTRLTokenizer, PreTrainedTokenizerFast
from transformers.convert_slow_tokenizer import bytes_to_unicode

from shape_audit.calibration import CalibrationText, WindowCutter, WindowTokenizer, load_tokenizer
from shape_audit.errors import IncompleteError, MissingExtraError

CHINESE = "深度与宽度的比值决定通道如何在梯度空间中相互作用。模型越深，每层越窄。naïve größer € 日本語。" * 60
CONFIG = {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}


def calibration(text: str) -> CalibrationText:
    return CalibrationText("text.txt", text.encode())


def byte_level(vocab_size: int, *, prefixed: bool = False) -> tuple[Any, Any]:
    """Byte-level BPE trained on half of the text, whose tokens begin and end inside of characters; id -> its bytes."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefixed)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, initial_alphabet=alphabet, show_progress=False)
    backend.train_from_iterator([CHINESE[:40]], trainer)
    backend.post_processor = processors.ByteLevel(trim_offsets=False)
    fast, byte_of = PreTrainedTokenizerFast(tokenizer_object=backend), {c: b for b, c in bytes_to_unicode().items()}
    return fast, lambda i: bytes(byte_of[c] for c in fast.convert_ids_to_tokens(i))


def byte_fallback(*, prefixed: bool = False) -> tuple[Any, Any]:
    """Characters as tokens where it knows them, bytes where it does not; id -> its bytes."""
    vocabulary = {f"<0x{byte:02X}>": byte for byte in range(256)}
    vocabulary |= {character: 256 + i for i, character in enumerate("深度的 naive▁")}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[], byte_fallback=True))
    if prefixed:
        backend.normalizer = normalizers.Prepend("▁")
    tokens = {i: token for token, i in vocabulary.items()}
    return PreTrainedTokenizerFast(tokenizer_object=backend), lambda i: bytes([i]) if i < 256 else tokens[i].encode()


def byte_of_byt5(i: int) -> bytes:
    return bytes([i - 3])  # behind padding, EOS and unknown


@pytest.mark.parametrize("seq_len", [1, 7, 32, 100])
@pytest.mark.parametrize(
    "made",
    [lambda: byte_level(256), lambda: byte_level(300), byte_fallback, lambda: (ByT5Tokenizer(), byte_of_byt5),
     lambda: byte_level(256, prefixed=True), lambda: byte_fallback(prefixed=True)],
    ids=["bytes", "byte-level", "byte-fallback", "slow bytes", "bytes behind a space", "byte-fallback behind a space"],
)  # fmt: skip
def test_bytes_are_exactly_those_of_the_targets(made: Any, seq_len: int) -> None:
    """A character cut by a window's end counts as the bytes that are in the window: nothing is low by rounding."""
    tokenizer, bytes_of = made()
    text = calibration(CHINESE)
    windows = WindowCutter(text, WindowTokenizer(tokenizer, "x", adds_bos=False), seq_len=seq_len).first(5)
    for window in windows.windows:
        assert window.byte_offsets is not None
        begin, end = window.byte_offsets
        assert text.content[begin:end] == b"".join(map(bytes_of, window.input_ids[1:]))


def test_where_tokens_do_not_tell_a_character_is_shared_evenly() -> None:
    backend = Tokenizer(models.WordLevel({"e": 0, "\u0301": 1, "?": 2}, unk_token="?"))
    backend.normalizer = normalizers.NFD()
    backend.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    fast = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="?")
    windows = WindowCutter(calibration("é" * 60), WindowTokenizer(fast, "x", False), seq_len=9).first(1)
    assert windows.facts.bytes == 9  # two ids for each character of two bytes: e and an accent


def ctrl_tokenizer(folder: Path) -> CTRLTokenizer:
    """A slow tokenizer of words in pieces, which it joins when it decodes."""
    merges = ["t h", "th e</w>", "s h", "sh a", "p e</w>", "o f</w>", "d e", "de p", "t h</w>"]
    letters = [*"abcdefghijklmnopqrstuvwxyz", *(f"{c}</w>" for c in "abcdefghijklmnopqrstuvwxyz")]
    made = [left + right for left, right in (merge.split() for merge in merges)]
    names = [f"{t}@@" if not t.endswith("</w>") else t.removesuffix("</w>") for t in dict.fromkeys([*letters, *made])]
    vocabulary = {name: i for i, name in enumerate(["<unk>", *names])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version\n" + "\n".join(merges) + "\n")
    return CTRLTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))


def test_a_slow_tokenizer_is_laid_along_the_text(tmp_path: Path) -> None:
    tokenizer = WindowTokenizer(ctrl_tokenizer(tmp_path), "x", adds_bos=False)
    assert not tokenizer.tokenizer.is_fast
    text = calibration("the shape of depth the shape of depth " * 30)
    windows = WindowCutter(text, tokenizer, seq_len=8, passage_bytes=300).first(3)
    for window in windows.windows:
        assert window.byte_offsets is not None
        begin, end = window.byte_offsets
        decoded = tokenizer.tokenizer.decode(list(window.input_ids[1:])).replace("@@", "")
        assert text.content[begin:end].decode().split() == decoded.split()
    unknown = calibration("the größe of depth " * 60)  # it decodes to <unk>: no place can be known
    assert WindowCutter(unknown, tokenizer, seq_len=8, passage_bytes=300).first(1).facts.bytes is None


def alphabet(model: Any, *, bos: bool) -> PreTrainedTokenizerFast:
    backend = Tokenizer(model)
    backend.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    if bos:
        backend.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 3)])
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>" if bos else None)


@pytest.mark.parametrize("bos", [True, False])
@pytest.mark.parametrize("kind", [models.WordLevel, models.BPE])
def test_a_tokenizer_with_an_alphabet_of_its_own(kind: Any, bos: bool, tmp_path: Path) -> None:
    vocabulary = {"A": 0, "B": 1, "C": 2, "<s>": 3}
    model = kind(vocab=vocabulary, merges=[]) if kind is models.BPE else kind(vocabulary, unk_token="[UNK]")
    alphabet(model, bos=bos).save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    tokenizer = load_tokenizer(tmp_path, "gpt-nano-sort")
    assert tokenizer.adds_bos is bos
    windows = WindowCutter(calibration("ABCCBA" * 40), tokenizer, seq_len=6).first(2)
    assert windows.facts.bytes == 2 * 6 and windows.windows[0].unknown == 0
    with pytest.raises(IncompleteError, match=r"has no token for .*alphabet with --dataset"):
        WindowCutter(calibration("The text of others. " * 20), tokenizer, seq_len=6).first(2)


def test_characters_that_are_left_out_are_counted() -> None:
    tokenizer = WindowTokenizer(alphabet(models.BPE(vocab={"A": 0, "B": 1}, merges=[]), bos=False), "x", False)
    windows = WindowCutter(calibration("ABxA é" * 40), tokenizer, seq_len=6).first(1)
    assert windows.windows[0].input_ids == (0, 1, 0, 0, 1, 0, 0) and windows.windows[0].unknown == 5


@pytest.mark.parametrize(("unk", "count"), [("[UNK]", 3), ("A", 0)])
def test_characters_of_the_unknown_token_are_counted_but_not_its_own(unk: str, count: int) -> None:
    fast = alphabet(models.WordLevel({"A": 0, "B": 1, "[UNK]": 2}, unk_token="[UNK]"), bos=False)
    fast.unk_token = unk
    windows = WindowCutter(calibration("ABxA é" * 40), WindowTokenizer(fast, "x", False), seq_len=6).first(1)
    assert windows.windows[0].input_ids == (2, 0, 1, 2, 0, 2, 2) and windows.windows[0].unknown == count


@pytest.mark.parametrize(
    ("content", "modules", "says"),
    [
        (b"\n\x0e\n\x05<unk>\x15\0\0\0\0\x18\x02\n\x0c", ("sentencepiece", "google"), "SentencePiece vocabulary"),
        (b"IQ== 0\nIg== 1\n", ("tiktoken",), "tiktoken vocabulary"),
    ],
)  # fmt: skip
def test_a_vocabulary_alone_says_which_library_reads_it(
    content: bytes, modules: tuple[str, ...], says: str, tmp_path: Path
) -> None:
    if all(find_spec(module) for module in modules):
        pytest.skip("the library is installed")
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "LlamaTokenizer"}')
    (tmp_path / "tokenizer.model").write_bytes(content)
    with pytest.raises(MissingExtraError, match=rf"org/name: its tokenizer is a {says} .*pip install {modules[0]}"):
        load_tokenizer(tmp_path, "org/name")


def test_a_model_without_a_tokenizer(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    with pytest.raises(IncompleteError, match="there is no tokenizer among its files"):
        load_tokenizer(tmp_path, "org/name")
