"""Configs, tokenizers and models of transformers, from a folder's own files alone."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import Any

from shape_audit.hub import ATTENTION, EXPERTS, tokenizer_file_names
from shape_audit.loader.folder_view import files_of_weights, speaking_of, view_of
from shape_audit.loader.hub_kernels import without_hub_kernels


def config_in(folder: Path) -> Any:
    """The config of a folder, without the attention and kernels of others that it may ask for.

    Raises:
        Whatever transformers raises.
    """
    from transformers import AutoConfig

    with view_of(folder, ()) as view_name:
        return AutoConfig.from_pretrained(view_name, local_files_only=True, trust_remote_code=False)


def tokenizer_in(folder: Path) -> Any:
    """The tokenizer of a folder, made of its tokenizer files and config alone.

    Raises:
        Whatever transformers raises; ValueError that names trust_remote_code where it is code of the repository.
    """
    from transformers import AutoTokenizer

    view = view_of(folder, [folder / name for name in tokenizer_file_names(folder)])
    with view, speaking_of(folder, view) as path:
        return AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)


def model_in(folder: Path, auto_class: Any = None, **settings: Any) -> tuple[Any, dict[str, Any]]:
    """The model of a folder with its safetensors weights, and what transformers says of loading it.

    Args:
        auto_class: of transformers; None for AutoModelForCausalLM.
        settings: of `from_pretrained`: config, dtype, device_map ...

    Raises:
        Whatever transformers raises.
    """
    from transformers import AutoModelForCausalLM

    view = view_of(folder, files_of_weights(folder))
    try:
        with without_hub_kernels(), speaking_of(folder, view) as path:
            model, info = (auto_class or AutoModelForCausalLM).from_pretrained(
                path,
                **settings,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
    except BaseException:
        view.cleanup()
        raise
    weakref.finalize(model, view.cleanup)  # what is offloaded to the disk is read from there
    return model, info


def model_of(config: Any, **settings: Any) -> Any:
    """A causal LM of a config, with weights as its class draws them.

    Args:
        config: of transformers; what it asks for that would have to be fetched is set back to torch's own.
        settings: of `from_config`: dtype, attn_implementation.

    Raises:
        Whatever transformers raises.
    """
    from transformers import AutoModelForCausalLM

    if settings.get("attn_implementation") not in ATTENTION:
        settings.pop("attn_implementation", None)
    _set_back(config)
    with without_hub_kernels():
        return AutoModelForCausalLM.from_config(config, **settings, trust_remote_code=False)


def _set_back(config: Any) -> None:
    for name, known in (("_attn_implementation", ATTENTION), ("_experts_implementation", EXPERTS)):
        if getattr(config, f"{name}_internal", None) not in (None, *known):
            setattr(config, f"{name}_internal", None)
    for name in config.sub_configs:
        part = getattr(config, name, None)
        if part is not None:
            _set_back(part)
