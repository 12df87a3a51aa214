"""Which ids the files of a tokenizer give, and which of them have no row in the embedding."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import shape_audit
from shape_audit.checks.vocabulary_files import json_ids, sentencepiece_ids, tekken_ids, tiktoken_ids
from tests.checks.checkpoints import VOCABULARY, write_clean


def varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out, number = out + bytes([number & 0x7F | 0x80]), number >> 7
    return out + bytes([number])


def sentencepiece_model(pieces: list[str]) -> bytes:
    """ModelProto: pieces (field 1) of a text (1), a score (2, float) and a type (3, varint); trainer_spec (2) after."""
    content = b""
    for piece in pieces:
        text = piece.encode()
        entry = b"\x0a" + varint(len(text)) + text + b"\x15\0\0\x80\xbf" + b"\x18\x01"
        content += b"\x0a" + varint(len(entry)) + entry
    return content + b"\x12\x02\x18\x05"


def slow(folder: Path) -> Path:
    """The clean checkpoint without tokenizer.json."""
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").write_text("{}")
    return folder


def found(folder: Path) -> list[tuple[str, str, str]]:
    return [
        (one.file, one.severity, one.message) for one in shape_audit.check(str(folder)).findings if one.rule == "SA601"
    ]


def test_sentencepiece_pieces_have_their_places_as_ids() -> None:
    pieces = ["<unk>", "<s>", "\u2581the", "x" * 300]
    assert sentencepiece_ids(sentencepiece_model(pieces)) == {piece: i for i, piece in enumerate(pieces)}
    assert sentencepiece_ids(b"not read here") == sentencepiece_ids(b"") == {}


@given(st.binary(max_size=80))
def test_any_bytes_are_survived(content: bytes) -> None:
    for read in (sentencepiece_ids, tiktoken_ids, tekken_ids, json_ids):
        assert isinstance(read(content), dict)


def tiktoken_lines(ids: range) -> bytes:
    return b"".join(base64.b64encode(f"t{i}".encode()) + f" {i}\n".encode() for i in ids)


def tekken(size: int, special: int = 10) -> bytes:
    """tekken.json of a declared size; its list of tokens is longer, as that of Mistral NeMo is."""
    vocabulary = [{"rank": i, "token_bytes": "", "token_str": f"t{i}"} for i in range(size)]
    settings = {"default_vocab_size": size, "default_num_special_tokens": special}
    return json.dumps(
        {"config": settings, "vocab": vocabulary, "special_tokens": [{"rank": 0, "token_str": "<unk>"}]}
    ).encode()


@pytest.mark.parametrize("more", [0, 3])
@pytest.mark.parametrize("file", ["tekken.json", "qwen.tiktoken", "tiktoken.model", "tokenizer.model"])
def test_ids_of_tekken_and_tiktoken_are_read(file: str, more: int, tmp_path: Path) -> None:
    size = VOCABULARY + more
    folder = slow(write_clean(tmp_path / "model"))
    (folder / file).write_bytes(tekken(size) if file == "tekken.json" else tiktoken_lines(range(size)))
    last = size - 1 if file != "tekken.json" else size - 11
    says = f"the embedding has 256 rows, but 3 tokens have larger ids (up to {size - 1}, 't{last}')"
    assert found(folder) == ([(file, "error", says)] if more else [])
    (folder / "tokenizer_config.json").unlink()
    assert "SA605" not in {one.rule for one in shape_audit.check(str(folder)).findings}


def test_a_tekken_vocabulary_is_cut_at_its_declared_size() -> None:
    ids = tekken_ids(tekken(20, special=15))
    assert max(ids.values()) == 19 and ids["t0"] == 15 and ids["<unk>"] == 0
    assert tekken_ids(b'{"config": {"default_vocab_size": 3, "default_num_special_tokens": 9}, "vocab": []}') == {}
    assert tiktoken_ids(b"IQ== 0\nnot base64! 1\n") == {}


@pytest.mark.parametrize("more", [0, 1, 5])
def test_a_sentencepiece_model_larger_than_the_embedding_is_found(more: int, tmp_path: Path) -> None:
    folder = slow(write_clean(tmp_path / "model"))
    (folder / "tokenizer.model").write_bytes(sentencepiece_model([f"p{i}" for i in range(VOCABULARY + more)]))
    assert [file for file, _, _ in found(folder)] == ["tokenizer.model"] * bool(more)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("added_tokens.json", {"<pad>": VOCABULARY}),
        ("vocab.json", {"a": 0, "b": VOCABULARY}),
        ("vocab.txt", [f"t{number}" for number in range(VOCABULARY + 1)]),
        ("tokenizer_config.json", {"added_tokens_decoder": {str(VOCABULARY): {"content": "<pad>"}}}),
    ],
)
def test_a_token_of_a_slow_tokenizer_without_a_row_is_found(file: str, content: Any, tmp_path: Path) -> None:
    folder = slow(write_clean(tmp_path / "model"))
    (folder / file).write_text("\n".join(content) + "\n" if isinstance(content, list) else json.dumps(content))
    ((where, severity, message),) = found(folder)
    assert (where, severity) == (file, "error") and "has the id 256" in message


def test_one_token_in_two_files_is_one_finding_and_media_placeholders_are_a_note(tmp_path: Path) -> None:
    folder = slow(write_clean(tmp_path / "model"))
    (folder / "added_tokens.json").write_text(json.dumps({"<pad>": VOCABULARY}))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"added_tokens_decoder": {str(VOCABULARY): {"content": "<pad>"}}})
    )
    assert len(found(folder)) == 1
    (folder / "added_tokens.json").write_text(json.dumps({"<image_soft_token>": VOCABULARY}))
    (folder / "tokenizer_config.json").write_text("{}")
    assert [severity for _, severity, _ in found(folder)] == ["note"]


@pytest.mark.parametrize(
    "content", [b"[]", b"{", b'{"a": "x", "b": null, "c": 1e9}', b'{"added_tokens_decoder": {"x": 1, "9999": 2}}']
)
def test_odd_vocabularies_are_survived(content: bytes, tmp_path: Path) -> None:
    folder = slow(write_clean(tmp_path / "model"))
    for file in ("vocab.json", "tokenizer_config.json"):
        (folder / file).write_bytes(content)
    assert found(folder) == []
