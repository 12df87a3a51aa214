"""Every causal-LM type of the installed transformers: is the shape read without torch the true one, and the profile?

For each type of `AutoModelForCausalLM`: its default config is written down as config.json would have it, the model is
built on the meta device, and `shape.describe` reads the config and the names and shapes of the tensors. The truth is
what transformers built: depth, width, heads and vocabulary of the text config, parameters counted from the modules,
tied ones once, without modules for images or sound. Then a tiny model of the type is saved and audited, and every
number of its profile compared with a dense computation in float64 (see `tiny_measurement`).

    .venv/bin/python benchmarks/architecture_survey.py --save     # resumable: finished types are kept in build/

After an update of transformers, run it again: the kept results carry its version.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
import sys
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
import transformers
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, AutoModelForImageTextToText
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from benchmarks.meta_checkpoints import SETTINGS
from benchmarks.reporting import ROOT, heading, publish
from benchmarks.tiny_measurement import measure
from shape_audit.errors import ShapeAuditError
from shape_audit.hub import Checkpoint, TensorHeader
from shape_audit.records import ModelRef
from shape_audit.shape import describe

KEPT = ROOT / "build" / f"architecture_survey_{transformers.__version__}"
OTHER_MODALITY = re.compile(
    "Vision|Audio|Image|Speech|Projector|QFormer|Resampler|Perceiver|Connector|Aligner|VQVAE|PatchMerger"
)
"""Class names of modules that do not belong to the text model."""
OTHER_MODALITY_LAYER = re.compile("vision|visual|image|video|audio|speech|projector|aligner|generation_|connector")
"""The same for single layers and parameters, whose class says nothing: names of the attributes that hold them."""
SIZES = ("num_hidden_layers", "hidden_size", "num_attention_heads", "num_key_value_heads", "head_dim", "vocab_size")


EXPLANATION = """
Read: equal where depth, width, heads, vocabulary and parameters are those of the model that transformers builds from
the type's default config, and no promise of the config is called broken. Measured: a model of a few thousand random
parameters (matrices of standard deviation .2), 6 windows of 16 tokens, all sites, by `shape_audit.audit` from a
folder. Float32, float64: the largest error over all sites of the plug-in energy and the trace (relative) and the
unbiased AOFE-ratio (absolute), of a pass in that dtype, against explicit sums of outer products in float64 of zeros
added to the stream (in float32 for a type whose own code has no float64: these have no second number). A float64 pass
is off by more than 1e-12 where the model's code goes through float32. Stream: whether what goes from block to block
is among the model's own `hidden_states`. Where the embedding's own output goes into block 0, the zeros are added
to that output, so that whatever else the model makes of it (gemma4, zamba) counts in both.

"""


def survey(model_type: str) -> dict[str, Any]:
    """One type: the truth, and what was read."""
    try:
        config = CONFIG_MAPPING[model_type](**SETTINGS.get(model_type, {}))
        written = json.loads(config.to_json_string())
        with torch.device("meta"):
            model = auto_class(model_type).from_config(config)
    except Exception as error:  # a default config that its own class cannot build
        return {"outcome": "cannot be built", "detail": f"{type(error).__name__}: {' '.join(str(error).split())}"[:120]}
    written["architectures"] = [type(model).__name__]
    tensors = {name: TensorHeader("F32", tuple(t.shape)) for name, t in stored_tensors(model).items()}
    ref = ModelRef("hub", f"survey/{model_type}", "0" * 40)
    checkpoint = Checkpoint(ref, written, tensors, ("model.safetensors",), None)
    try:
        reading = describe(checkpoint)
    except ShapeAuditError as error:
        return {"outcome": "refused", "detail": str(error).partition(": ")[2]}
    if reading.refusal and not reading.is_causal_lm:
        return {"outcome": "refused", "detail": reading.refusal}
    truth = {"parameters": text_parameters(model)} | true_sizes(model.config.get_text_config(decoder=True))
    read = {"parameters": reading.shape.params_total} | {name: getattr(reading.shape, name) for name in SIZES}
    wrong = [f"{name}: true {value:,}, read {read[name]}" for name, value in truth.items() if value != read[name]]
    wrong += [note for note in reading.notes if "disagree" in note or "untied" in note]
    if wrong:
        return {"outcome": "differs", "detail": "; ".join(wrong)}
    if reading.refusal:
        return {"outcome": "refused", "detail": reading.refusal}
    shape = reading.shape
    detail = f"{shape.num_hidden_layers} x {shape.hidden_size}, {shape.params_total:,} parameters"
    return {"outcome": "equal", "detail": detail}


def auto_class(model_type: str) -> Any:
    return AutoModelForCausalLM if model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES else AutoModelForImageTextToText


def true_sizes(config: Any) -> dict[str, int]:
    """What the text config says of one number for all layers."""
    sizes = {}
    for name in SIZES:
        with contextlib.suppress(RuntimeError):  # differs by layer, and refuses to be read
            if isinstance(value := getattr(config, name, None), int) and value > 0:
                sizes[name] = value
    return sizes


def stored_tensors(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Names and tensors a checkpoint of the model holds: parameters once, buffers that are saved."""
    saved = model.state_dict()
    return dict(model.named_parameters()) | {n: b for n, b in model.named_buffers() if n in saved}


def text_parameters(model: torch.nn.Module) -> int:
    """Parameters of all modules but those of other modalities."""
    embedding = id(model.get_input_embeddings().weight)
    others = {
        id(parameter)
        for name, module in model.named_modules()
        if embedding not in map(id, module.parameters())
        and (OTHER_MODALITY.search(type(module).__name__) or OTHER_MODALITY_LAYER.search(name.rpartition(".")[2]))
        for parameter in module.parameters()
    }
    return sum(
        p.numel()
        for name, p in model.named_parameters()
        if id(p) not in others
        and not OTHER_MODALITY_LAYER.search(name.rpartition(".")[2])
        and not name.endswith("e_score_correction_bias")  # a statistic, not trained by gradient
    )


def main() -> None:
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    transformers.utils.logging.disable_progress_bar()
    KEPT.mkdir(parents=True, exist_ok=True)
    started, results = time.monotonic(), {}
    for model_type in sorted(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES):
        kept = KEPT / f"{model_type}.json"
        if not kept.exists():
            kept.write_text(json.dumps({"read": survey(model_type), "measured": measure(model_type)}))
        results[model_type] = json.loads(kept.read_text())
    publish(__file__, report(results, time.monotonic() - started))


def report(results: dict[str, Any], seconds: float) -> str:
    """A row a type: those that differ first, then by what came of measuring them."""
    order = ("differs", "cannot be built", "refused", "equal", "measured")
    text = heading(f"Every causal-LM type of transformers {transformers.__version__}: read, and measured when tiny")
    text += f"\n{len(results)} types in {seconds:.0f} s (resumed ones included).\n"
    for part in ("read", "measured"):
        counts = Counter(result[part]["outcome"] for result in results.values())
        text += f"- {part}: " + ", ".join(f"{counts[name]} {name}" for name in order if counts[name]) + "\n"
    errors = [result["measured"]["errors"] for result in results.values() if "errors" in result["measured"]]
    for dtype in ("float32", "float64"):
        found = sorted(error[dtype] for error in errors if dtype in error)
        text += f"- {dtype} pass: median error {found[len(found) // 2]:.0e}, largest {found[-1]:.0e}\n"
    text += EXPLANATION
    text += "| type | read | measured | float32 | float64 | stream | |\n| --- | --- | --- | ---: | ---: | --- | --- |\n"
    ranked = sorted(results.items(), key=lambda item: (*(order.index(item[1][p]["outcome"]) for p in item[1]), item[0]))
    return text + "\n".join(_row(name, result["read"], result["measured"]) for name, result in ranked)


def _row(name: str, read: dict[str, Any], measured: dict[str, Any]) -> str:
    errors = measured.get("errors", {})
    numbers = [f"{errors[dtype]:.0e}" if dtype in errors else "" for dtype in ("float32", "float64")]
    why = [found["detail"] for found in (read, measured) if found["outcome"] not in ("equal",)]
    cells = (name, read["outcome"], measured["outcome"], *numbers, measured.get("stream", ""))
    return f"| {' | '.join(cells)} | {'; '.join(dict.fromkeys(why))} |"


if __name__ == "__main__":
    main()
