"""Which class of transformers a config means, and why there may be none to ask."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shape_audit.loader import config_in
from shape_audit.shape import Quantization

_AUTO_CLASSES = (
    "AutoModelForCausalLM", "AutoModelForImageTextToText", "AutoModelForMultimodalLM", "AutoModelForSeq2SeqLM",
    "AutoModelForSpeechSeq2Seq", "AutoModel",
)  # fmt: skip
"""What a config that names no class of transformers is loaded with: the first that has its type."""


def why_not_loadable(config: Mapping[str, Any], quantization: Quantization | None) -> str | None:
    """Why the installed transformers cannot know this architecture, or its quantisation; None where it should."""
    import transformers
    from packaging.version import InvalidVersion, Version
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING
    from transformers.quantizers.auto import AutoHfQuantizer

    known_type = config.get("model_type") in CONFIG_MAPPING
    if config.get("auto_map") and not (known_type and all(hasattr(transformers, n) for n in _architectures(config))):
        return "it needs code of the repository (auto_map), which is not run"
    if quantization is not None:
        settings = config.get("quantization_config")
        if not isinstance(settings, dict) or not AutoHfQuantizer.supports_quant_method(
            {"quant_method": quantization.method, **settings}
        ):
            return f"transformers does not read weights quantised as {quantization.source} says ({quantization.name})"
    try:
        newer = Version(str(config.get("transformers_version"))) > Version(transformers.__version__)
    except InvalidVersion:
        newer = False
    if not known_type and newer:
        return (
            f"model type {config.get('model_type')} is not in transformers {transformers.__version__}; "
            f"the config was written by {config['transformers_version']}"
        )
    return None


def class_named(folder: Path) -> Any:
    """The class that config.json in a folder names, if it is one of its model type's; else the auto class of the type.

    Raises:
        ValueError: and others of transformers, where the config cannot be read.
    """
    import transformers

    config = config_in(folder)
    for name in _architectures(config.to_dict()):
        found: Any = getattr(transformers, name, None)
        if isinstance(getattr(found, "config_class", None), type) and isinstance(config, found.config_class):
            return found
    for name in _AUTO_CLASSES:
        auto = getattr(transformers, name)
        if type(config) in auto._model_mapping:
            return auto
    raise ValueError(f"no language-model class of transformers is of type {config.model_type}")


def _architectures(config: Mapping[str, Any]) -> list[str]:
    names = config.get("architectures")
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
