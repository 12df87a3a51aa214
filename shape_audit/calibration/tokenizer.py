"""A model's own tokenizer, used as the model's users use it, but for the EOS at the end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from shape_audit.errors import IncompleteError, NotAuditableError
from shape_audit.hub import quiet_transformers, tokenizer_sha256
from shape_audit.records import read_small_file


@dataclass(frozen=True)
class Encoding:
    """Ids of a text, without anything the tokenizer appends.

    Attributes:
        ids: token ids, with BOS where the tokenizer adds one.
        offsets: (begin, end) of each id in characters of the text; None where the tokenizer does not tell.
        prefix: how many of the first ids the tokenizer added (BOS).
    """

    ids: tuple[int, ...]
    offsets: tuple[tuple[int, int], ...] | None
    prefix: int


@dataclass(frozen=True)
class WindowTokenizer:
    """A tokenizer and the hash of the files it was made from."""

    tokenizer: Any
    sha256: str
    adds_bos: bool

    def encode(self, text: str) -> Encoding:
        """Tokenise a text by itself, special tokens added as the tokenizer does it, those at the end removed."""
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
        offsets = None
        if self.tokenizer.is_fast:
            offsets = tuple((int(begin), int(end)) for begin, end in encoded["offset_mapping"][:last])
        return Encoding(ids=tuple(ids[:last]), offsets=offsets, prefix=first)


def load_tokenizer(folder: Path, subject: str) -> WindowTokenizer:
    """Load the tokenizer that lies in a folder; nothing is fetched and no code of the folder is run.

    Args:
        folder: holds config.json and the tokenizer files.
        subject: the model's name, for messages.

    Raises:
        NotAuditableError: the tokenizer is code of the repository.
        IncompleteError: transformers cannot make a tokenizer of these files.
    """
    from transformers import AutoTokenizer

    settings = folder / "tokenizer_config.json"
    if settings.is_file() and b"fast_tokenizer_files" in read_small_file(settings):  # a file outside tokenizer_sha256
        raise NotAuditableError(
            f"{subject}: tokenizer_config.json names other files to load (fast_tokenizer_files), which this audit "
            "does not follow"
        )
    try:
        with quiet_transformers():
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # whatever a damaged vocabulary makes the tokenizer libraries raise
        if "trust_remote_code" in str(error):
            raise NotAuditableError(
                f"{subject}: its tokenizer needs code from its repository, which is not run"
            ) from error
        reason = " ".join(str(error).split()) or type(error).__name__
        raise IncompleteError(f"{subject}: its tokenizer cannot be loaded: {reason[:200]}") from error
    _tell_whole_offsets(tokenizer)
    probe = WindowTokenizer(tokenizer=tokenizer, sha256=tokenizer_sha256(folder), adds_bos=False)
    return WindowTokenizer(tokenizer=tokenizer, sha256=probe.sha256, adds_bos=probe.encode("The text").prefix > 0)


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
