"""What transformers says of a checkpoint's tensors: it loads them, on the meta device, and tells what did not fit.

It is given files of the same headers without data (sparse files of zeros), so that its own rules of renaming, tying
and converting decide, and no weight is read or, of a Hub model, downloaded.
"""

from __future__ import annotations

import json
import logging
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

from shape_audit.checks.architecture_class import class_named, why_not_loadable
from shape_audit.errors import CorruptFileError, NotAuditableError
from shape_audit.hub import CONFIG_FILE, Inspection, TensorHeader, element_bits, quiet_transformers, raw_header
from shape_audit.loader import model_in
from shape_audit.shape import Quantization, largest_stack, read_config

_LIMITS = (
    (re.compile(r"(n|num)_(\w+_)?layers?|(en|de)coder_layers|depth"), 1_000),
    (re.compile(r"(n|num)_(\w+_)?experts"), 100_000),
    (re.compile(r"num_labels"), 1_000_000),
)
"""Keys of a config that say how many modules (or, num_labels, entries) are made one by one, and how many there may be.
Whole keys: `block_size`, `layer_norm_eps` or `num_experts_per_tok` count nothing that is built."""


_PRIVATE_FOLDER = re.compile(rf"{re.escape(str(Path(gettempdir())))}[/\\]shape-audit-[\w-]+")
"""Folders made for transformers to read from, which mean nothing to a reader."""
MAPPED_BYTES = 2**30
"""Of a file of the empty checkpoint: a system may refuse to map one that is larger than its memory, holes or not."""


class CannotLookError(Exception):
    """transformers cannot be asked here, which says nothing about the model; the message says why."""


@dataclass(frozen=True)
class Expected:
    """What differs from the architecture that the config names.

    Attributes:
        names: of the tensors the architecture has.
        missing, unexpected: names of tensors.
        mismatched: name -> (shape stored, shape the architecture has).
        refusal: why transformers could not build or load it at all; None where it could.
        is_about_tensors: whether it could build the model, and not put together the tensors for it.
    """

    names: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    mismatched: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...] = ()
    refusal: str | None = None
    is_about_tensors: bool = False


def compare_with_architecture(files: Inspection) -> Expected:
    """Load the checkpoint's headers with transformers.

    Raises:
        CannotLookError: it needs code of the repository, or a package that is not installed.
        NotAuditableError: there is no config or no sound weight file to compare.
        ImportError: there is no transformers.
    """
    absurd = _absurd(files)
    if absurd is not None:
        return Expected(refusal=absurd)
    if files.config is None or not any(file in files.headers for file in files.weight_files):
        raise NotAuditableError(f"{files.repo_id}: --deep needs a config.json and safetensors files that can be read")
    import transformers  # noqa: F401 (its absence is the caller's to explain, that of other packages is not)

    reason = why_not_loadable(files.config, _quantization(files))
    if reason is not None:
        raise CannotLookError(reason)
    with TemporaryDirectory(prefix="shape-audit-deep-") as folder:
        _write_empty_checkpoint(files, Path(folder))
        return _loading_report(Path(folder), files)


def _quantization(files: Inspection) -> Quantization | None:
    try:
        return read_config(files.config or {}, files.documents).quantization
    except CorruptFileError as error:  # another rule says so
        raise CannotLookError(f"{error}, which another finding says") from error


def _absurd(files: Inspection) -> str | None:
    """Why not to build what the config describes: it would take hours, and all memory."""
    config = files.config or {}
    stack = largest_stack(files.tensors)
    stored = len(stack.blocks) if stack else 0
    for part in (config, *(value for value in config.values() if isinstance(value, dict))):
        for key, value in part.items():
            limit = next((limit for pattern, limit in _LIMITS if pattern.fullmatch(key)), None)
            if limit is not None and type(value) is int and value > max(limit, 2 * stored):
                return f"{key} = {value} is implausible; it was not built"
    return None


def _write_empty_checkpoint(files: Inspection, folder: Path) -> None:
    """The headers without data, in files that any machine can map: not in one of the size of all weights."""
    (folder / CONFIG_FILE).write_text(json.dumps(files.config))
    shards: list[dict[str, TensorHeader]] = [{}]
    filled = 0
    for name, header in files.tensors.items():
        size = header.numel * element_bits(header.dtype) // 8
        if filled and filled + size > MAPPED_BYTES:
            shards.append({})
            filled = 0
        shards[-1][name] = header
        filled += size
    weight_map: dict[str, str] = {}
    for number, shard in enumerate(shards):
        content, size = raw_header(shard)
        with (folder / f"model-{number}.safetensors").open("wb") as stream:
            stream.write(content)
            stream.truncate(len(content) + size)
        weight_map |= dict.fromkeys(shard, f"model-{number}.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))


def _loading_report(folder: Path, files: Inspection) -> Expected:
    with _quiet_transformers() as said:
        try:
            model, report = model_in(
                folder, class_named(folder), device_map={"": "meta"}, dtype="auto", ignore_mismatched_sizes=True
            )
        except Exception as error:  # whatever a config that nobody has checked makes a model class raise
            reason = _PRIVATE_FOLDER.sub(files.repo_id, _whole_reason(error, said))
            if isinstance(error, ImportError | MemoryError) or _is_about_quantisation(error) or "mmap" in reason:
                raise CannotLookError(reason) from error
            return Expected(refusal=reason, is_about_tensors=bool(said))
    return Expected(
        names=tuple(model.state_dict()),
        missing=tuple(sorted(report["missing_keys"])),
        unexpected=tuple(sorted(report["unexpected_keys"])),
        mismatched=tuple(
            (name, tuple(stored), tuple(wanted)) for name, stored, wanted in sorted(report["mismatched_keys"])
        ),
    )


@contextmanager
def _quiet_transformers() -> Iterator[list[str]]:
    """Nothing of what transformers logs is printed; its loading reports are kept, for its exceptions refer to them."""
    said: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "LOAD REPORT" in record.getMessage():
                said.append(record.getMessage())

    logger, handler = logging.getLogger("transformers"), Kept()
    propagate, handlers = logger.propagate, logger.handlers
    logger.handlers, logger.propagate = [handler], False
    try:
        with quiet_transformers(logging.WARNING):
            yield said
    finally:
        logger.handlers, logger.propagate = handlers, propagate


def _whole_reason(error: Exception, said: list[str]) -> str:
    """All lines of an exception as one; with the report that was logged, where the exception refers to it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = " ".join(lines) or type(error).__name__
    if isinstance(error, KeyError | AttributeError | TypeError | IndexError):
        text = f"{type(error).__name__}: {text}"
    if "above report" in text and said:
        text += " " + " ".join(re.sub(r"\x1b\[[\d;]*m|[-+|]{3,}", "", said[-1]).split())
    return text


def _is_about_quantisation(error: Exception) -> bool:
    """Whether an exception comes from what prepares this machine for quantised weights."""
    frames = traceback.extract_tb(error.__traceback__)
    return any("quantizers" in Path(frame.filename).parts for frame in frames)
