"""What transformers says of a checkpoint's tensors: it loads them, on the meta device, and tells what did not fit.

It is given files of the same headers without data (sparse files of zeros), so that its own rules of renaming, tying
and converting decide, and no weight is read or, of a Hub model, downloaded.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from shape_audit.errors import NotAuditableError
from shape_audit.hub import CONFIG_FILE, Inspection, quiet_transformers, raw_header
from shape_audit.shape import largest_stack

_LIMITS = ((("layer", "block"), 200), (("experts",), 1024), (("num_labels",), 1_000_000))
"""Words in keys of a config that say how many of something are built, and how many there may be."""


@dataclass(frozen=True)
class Expected:
    """What differs from the architecture that the config names.

    Attributes:
        missing, unexpected: names of tensors.
        mismatched: name -> (shape stored, shape the architecture has).
        refusal: why transformers could not build or load it at all; None where it could.
    """

    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    mismatched: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...] = ()
    refusal: str | None = None


def compare_with_architecture(files: Inspection) -> Expected:
    """Load the checkpoint's headers with transformers.

    Raises:
        NotAuditableError: there is no config or no sound weight file to compare.
    """
    absurd = _absurd(files)
    if absurd is not None:
        return Expected(refusal=absurd)
    if files.config is None or not any(file in files.headers for file in files.weight_files):
        raise NotAuditableError(f"{files.repo_id}: --deep needs a config.json and safetensors files that can be read")
    with TemporaryDirectory(prefix="shape-audit-deep-") as folder:
        _write_empty_checkpoint(files, Path(folder))
        return _loading_report(Path(folder))


def _absurd(files: Inspection) -> str | None:
    """Why not to build what the config describes: it would take hours, and all memory."""
    config = files.config or {}
    stack = largest_stack(files.tensors)
    stored = len(stack.blocks) if stack else 0
    for part in (config, *(value for value in config.values() if isinstance(value, dict))):
        for key, value in part.items():
            limit = next((limit for words, limit in _LIMITS if any(word in key for word in words)), None)
            if limit is not None and type(value) is int and value > max(limit, 2 * stored):
                return f"{key} = {value} cannot be meant; it was not built"
    return None


def _write_empty_checkpoint(files: Inspection, folder: Path) -> None:
    (folder / CONFIG_FILE).write_text(json.dumps(files.config))
    weight_map: dict[str, str] = {}
    for file in files.weight_files:
        if file in files.headers:
            _write_empty(folder / file, files, file)
            weight_map |= dict.fromkeys(files.headers[file], file)
    if len(files.weight_files) > 1:
        index = {"metadata": {}, "weight_map": weight_map}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    else:
        (folder / files.weight_files[0]).rename(folder / "model.safetensors")


def _write_empty(path: Path, files: Inspection, file: str) -> None:
    content, size = raw_header(files.headers[file])
    with path.open("wb") as stream:
        stream.write(content)
        stream.truncate(len(content) + size)


def _loading_report(folder: Path) -> Expected:
    from transformers import AutoModelForCausalLM

    try:
        with quiet_transformers(logging.CRITICAL):
            _, report = AutoModelForCausalLM.from_pretrained(
                folder,
                device_map={"": "meta"},
                dtype="auto",
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
    except Exception as error:  # whatever a config that nobody has checked makes a model class raise
        line = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        return Expected(refusal=line[:300])
    return Expected(
        missing=tuple(sorted(report["missing_keys"])),
        unexpected=tuple(sorted(report["unexpected_keys"])),
        mismatched=tuple(
            (name, tuple(stored), tuple(wanted)) for name, stored, wanted in sorted(report["mismatched_keys"])
        ),
    )
