"""A model's own tokenizer, used as the model's users use it, but for the EOS at the end."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from shape_audit.calibration.decoded_offsets import DecodedOffsets
from shape_audit.calibration.tokenizer_bounds import check_loaded_tokenizer, check_tokenizer_files
from shape_audit.errors import IncompleteError, MissingExtraError, NotAuditableError
from shape_audit.hub import quiet_transformers, tokenizer_sha256
from shape_audit.loader import tokenizer_in

_TIKTOKEN = re.compile(rb"[A-Za-z0-9+/]+={0,2} \d+\r?\n")
"""A line of a tiktoken file: the bytes of a token in base64, and its number."""
_OTHERS = ("vocab.json", "vocab.txt", "tekken.json", "tokenizer_config.json")
"""What a tokenizer can be made from without any of these libraries."""
PROBE = "The text"
PROBES = 64
"""Tokens tried where the tokenizer has an alphabet of its own, in which `PROBE` cannot be written."""


@dataclass(frozen=True)
class Encoding:
    """Ids of a text, without anything the tokenizer appends.

    Attributes:
        ids: token ids, with BOS where the tokenizer adds one.
        offsets: (begin, end) of each id in characters of the text; None where they cannot be known.
        prefix: how many of the first ids the tokenizer added (BOS).
    """

    ids: tuple[int, ...]
    offsets: Sequence[tuple[int, int]] | None
    prefix: int


@dataclass(frozen=True)
class WindowTokenizer:
    """A tokenizer and the hash of the files it was made from."""

    tokenizer: Any
    sha256: str
    adds_bos: bool

    def encode(self, text: str) -> Encoding:
        """Tokenise a text by itself, special tokens added as the tokenizer does it, those at the end removed.

        Raises:
            IncompleteError: it cannot be written in the tokenizer's alphabet.
        """
        try:
            return self._encode(text)
        except Exception as error:  # the tokenizers library knows no other class
            piece = next((piece for piece in _pieces(text) if not self._can_encode(piece)), None)
            what = f"{piece!r}" if piece else f"this text ({' '.join(str(error).split())[:100]})"
            raise IncompleteError(
                f"the model's tokenizer has no token for {what}, and none for what it does not know; choose a text "
                "in its alphabet with --dataset"
            ) from error

    @property
    def unknown(self) -> tuple[int, str] | None:
        """Id and text of the token for what the vocabulary does not have; None where there is none."""
        token_id = self.tokenizer.unk_token_id
        return None if token_id is None else (token_id, str(self.tokenizer.unk_token))

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """The tokens of ids as the vocabulary writes them."""
        return [str(token) for token in self.tokenizer.convert_ids_to_tokens(list(ids))]

    def _encode(self, text: str) -> Encoding:
        encoded = self.tokenizer(
            text,
            add_special_tokens=True,
            truncation=False,
            return_attention_mask=False,
            return_special_tokens_mask=True,
            return_offsets_mapping=self.tokenizer.is_fast,
            verbose=False,
        )
        ids, added = encoded["input_ids"], encoded["special_tokens_mask"]
        first = next((i for i, special in enumerate(added) if not special), len(ids))
        last = next((i for i in range(len(ids), first, -1) if not added[i - 1]), first)
        kept, offsets = tuple(ids[:last]), encoded.get("offset_mapping")
        if offsets is not None:
            return Encoding(kept, tuple((int(begin), int(end)) for begin, end in offsets[:last]), first)
        decoded = DecodedOffsets(text, kept, first, self._decode)
        return Encoding(kept, decoded if decoded.is_known else None, first)

    def _decode(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False))

    def _can_encode(self, text: str) -> bool:
        try:
            self._encode(text)
        except Exception:
            return False
        return True


def load_tokenizer(folder: Path, subject: str) -> WindowTokenizer:
    """Load the tokenizer that lies in a folder; nothing is fetched and no code of the folder is run.

    Args:
        folder: holds config.json and the tokenizer files.
        subject: the model's name, for messages.

    Raises:
        NotAuditableError: the tokenizer is code of the repository, or would take all memory.
        MissingExtraError: a library is not installed that its vocabulary is read with.
        IncompleteError: transformers cannot make a tokenizer of these files.
    """
    check_tokenizer_files(folder, subject)
    try:
        with quiet_transformers():
            tokenizer = tokenizer_in(folder)
    except Exception as error:  # whatever a damaged vocabulary makes the tokenizer libraries raise
        if "trust_remote_code" in str(error):
            raise NotAuditableError(
                f"{subject}: its tokenizer needs code from its repository, which is not run"
            ) from error
        _refuse_unread_vocabulary(folder, subject)
        reason = " ".join(str(error).split()) or type(error).__name__
        raise IncompleteError(f"{subject}: its tokenizer cannot be loaded: {reason[:200]}") from error
    check_loaded_tokenizer(tokenizer, subject)
    _tell_whole_offsets(tokenizer)
    return WindowTokenizer(tokenizer=tokenizer, sha256=tokenizer_sha256(folder), adds_bos=_adds_bos(tokenizer))


def _adds_bos(tokenizer: Any) -> bool:
    """Whether ids of any text begin with one that the tokenizer adds."""
    probe = WindowTokenizer(tokenizer=tokenizer, sha256="", adds_bos=False)
    for text in (PROBE, *islice(_words_of(tokenizer), PROBES)):
        if probe._can_encode(text):
            return probe.encode(text).prefix > 0
    return False


def _words_of(tokenizer: Any) -> Iterator[str]:
    special = set(tokenizer.all_special_ids)
    return (str(tokenizer.decode([i])) for i in range(len(tokenizer)) if i not in special)


def _pieces(text: str) -> Iterator[str]:
    """The words of a text, then its characters: what a tokenizer may know or not."""
    words = dict.fromkeys(text.split())
    for word in words:
        yield from (*dict.fromkeys(word), word)


def _refuse_unread_vocabulary(folder: Path, subject: str) -> None:
    """Say which library a vocabulary takes that is there, or that there is none.

    Raises:
        MissingExtraError: the library is not installed.
        IncompleteError: there is no vocabulary at all.
    """
    if (folder / "tokenizer.json").is_file():
        return
    vocabularies = sorted(file for pattern in ("*.model", "*.tiktoken") for file in folder.glob(pattern))
    if not vocabularies and not any((folder / name).is_file() for name in _OTHERS):
        raise IncompleteError(f"{subject}: there is no tokenizer among its files (tokenizer.json)")
    for file in vocabularies:
        with file.open("rb") as stream:
            is_tiktoken = _TIKTOKEN.match(stream.read(200)) is not None
        needed = {"tiktoken": "tiktoken"} if is_tiktoken else {"sentencepiece": "sentencepiece", "google": "protobuf"}
        missing = [package for module, package in needed.items() if find_spec(module) is None]
        if missing:
            kind = "tiktoken" if is_tiktoken else "SentencePiece"
            raise MissingExtraError(
                f"{subject}: its tokenizer is a {kind} vocabulary ({file.name}) without tokenizer.json, and reading "
                f"it needs {' and '.join(missing)}: pip install {' '.join(missing)}"
            )


def tokenizer_in_memory(tokenizer: Any) -> WindowTokenizer:
    """The same of a tokenizer of transformers that is in memory, or of the folder of one.

    Raises:
        IncompleteError: as `load_tokenizer` says.
    """
    if isinstance(tokenizer, str | Path):
        return load_tokenizer(Path(tokenizer), "the tokenizer")
    with TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        return load_tokenizer(Path(folder), "the tokenizer")


def _tell_whole_offsets(tokenizer: Any) -> None:
    """Have a byte-level tokenizer count the white space of a token as part of it; its ids stay what they are."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    processor = getattr(backend, "post_processor", None)
    if backend is None or processor is None:
        return
    state = processor.__getstate__().decode()
    if '"trim_offsets":true' in state:
        processor.__setstate__(state.replace('"trim_offsets":true', '"trim_offsets":false').encode())
        backend.post_processor = processor
