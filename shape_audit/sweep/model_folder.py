"""A byte-level model made from sizes, and its Hub-style folder: config, safetensors, tokenizer."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from shape_audit.errors import IncompleteError
from shape_audit.loader import model_of
from shape_audit.shape import Family, Sizes

TRAINING_FILE = "training.json"
"""What training came to; beside the weights, so that one rename makes both be there."""


def new_model(family: Family, sizes: Sizes, seed: int) -> Any:
    """A causal LM of transformers with float32 weights drawn by the seed, without dropout.

    Raises:
        IncompleteError: transformers cannot build the shape in this family.
    """
    from transformers import AutoConfig

    config = family.config_of(sizes)
    try:
        made = AutoConfig.for_model(**{key: value for key, value in config.items() if key != "architectures"})
        for name, value in made.to_dict().items():
            if "drop" in name and isinstance(value, int | float) and not isinstance(value, bool):
                setattr(made, name, 0.0)  # no text is read twice often enough to be learned by heart
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return model_of(made, dtype=torch.float32)
    except (ValueError, TypeError, RuntimeError) as error:
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise IncompleteError(
            f"--family {family.name}: transformers cannot build {sizes.num_hidden_layers} layers of width "
            f"{sizes.hidden_size}: {reason[:200]}"
        ) from error


def byte_tokenizer(model_max_length: int) -> Any:
    """A tokenizer whose token id is the byte's value: byte-level BPE without merges or special tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    vocabulary = {character: byte for byte, character in bytes_to_unicode().items()}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=model_max_length, clean_up_tokenization_spaces=False
    )


def save_model(model: nn.Module, folder: Path, training: Mapping[str, Any], *, positions: int) -> None:
    """Write a model's folder beside its place, then move it there: whoever finds it finds it whole.

    Args:
        training: what `TRAINING_FILE` is to hold.
        positions: the longest text the model can read, in bytes.

    Raises:
        IncompleteError: the folder cannot be written.
    """
    unfinished = folder.with_name(f".{folder.name}.tmp")
    try:
        shutil.rmtree(unfinished, ignore_errors=True)  # of a run that was killed here
        unfinished.mkdir(parents=True)
        model.save_pretrained(unfinished)  # type: ignore[operator]
        byte_tokenizer(positions).save_pretrained(unfinished)
        (unfinished / "generation_config.json").unlink(missing_ok=True)  # no special tokens: nothing to say
        (unfinished / TRAINING_FILE).write_text(json.dumps(dict(training), indent=1) + "\n", encoding="utf-8")
        for file in unfinished.iterdir():
            file.chmod(0o644)  # safetensors makes its file private
            _to_disk(file)
        os.replace(unfinished, folder)
    except OSError as error:
        raise IncompleteError(f"{folder}: the model could not be saved ({error.strerror or error})") from error
    except Exception as error:  # safetensors and tokenizers have errors of their own for a full disk
        if "No space left" not in str(error):
            raise
        raise IncompleteError(f"{folder}: the model could not be saved (No space left on device)") from error


def saved_training(folder: Path) -> dict[str, Any] | None:
    """What `save_model` was told, or None where there is no such folder.

    Raises:
        IncompleteError: the folder is there without it, or it is damaged.
    """
    try:
        found: dict[str, Any] = json.loads((folder / TRAINING_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if not folder.exists():
            return None
        raise IncompleteError(f"{folder}: no {TRAINING_FILE} in it; remove {folder} to train it again") from error
    except (OSError, ValueError) as error:
        raise IncompleteError(f"{folder / TRAINING_FILE}: damaged; remove {folder} to train it again") from error
    return found


def _to_disk(file: Path) -> None:
    handle = os.open(file, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
