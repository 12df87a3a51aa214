"""What an audit costs on one large GPU, by model size: computed, not measured. No weights are needed.

Memory, and so the share of a GPU that is asked for, is the memory plan's of each shape. Seconds have four parts: start
and imports as `whole_audit.py` measured them, weights over a network and from there to the GPU at the rates below, and
the pass: its least operations, as `throughput.py` counts them, at a stated share of the GPU's peak.

.venv/bin/python benchmarks/cluster_costs.py [--save]
"""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from transformers import LlamaConfig, LlamaForCausalLM

import shape_audit
from benchmarks.checkpoints import LLAMA_1B, LLAMA_8B, add_tokenizer
from benchmarks.reporting import heading, publish
from shape_audit.cluster import ClusterRoom
from shape_audit.cluster.room import Node
from shape_audit.hub import read_checkpoint
from shape_audit.models import Machine
from shape_audit.shape import describe

GPU_BYTES = 141 * 10**9
PEAK = 989e12
"""FLOP/s of an H200 in bfloat16, dense, as NVIDIA gives it."""
SHARE = 0.4
"""Of the peak; 0.75 was reached in float32 on a CPU (throughput.py)."""
START_SECONDS = 8.7
"""Start, reading, scores, imports (results/2026-11-29_whole_audit.md), which a fresh process on a GPU has each time."""
DOWNLOAD, LOAD = 0.5e9, 2e9
"""Bytes a second."""
WINDOWS, SEQ_LEN = 64, 256
SHAPES: dict[str, dict[str, Any]] = {
    "100M": {**LLAMA_1B, "vocab_size": 49152, "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
             "num_attention_heads": 9, "num_key_value_heads": 3},
    "400M": {**LLAMA_1B, "vocab_size": 49152, "hidden_size": 960, "intermediate_size": 2560, "num_hidden_layers": 32,
             "num_attention_heads": 15, "num_key_value_heads": 5},
    "1B": LLAMA_1B,
    "3B": {**LLAMA_1B, "hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 28,
           "num_attention_heads": 24, "head_dim": 128},
    "8B": LLAMA_8B,
}  # fmt: skip
"""Of SmolLM2-135M and -360M, Llama-3.2-1B and -3B, Llama-3.1-8B."""


def write_headers(config: dict[str, Any], folder: Path) -> None:
    """A checkpoint in bfloat16 whose weights are a hole in a file: it takes no disk, and its headers are true."""
    llama = LlamaConfig(**config, dtype="bfloat16", architectures=["LlamaForCausalLM"])
    llama.save_pretrained(folder)
    with torch.device("meta"):
        model = LlamaForCausalLM(llama)
    model.tie_weights()
    header, end = {}, 0
    for name, weight in model.named_parameters():
        begin, end = end, end + 2 * weight.numel()
        header[name] = {"dtype": "BF16", "shape": list(weight.shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    with (folder / "model.safetensors").open("wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text)
        stream.truncate(8 + len(text) + end)
    add_tokenizer(folder)


def row(name: str, config: dict[str, Any]) -> str:
    with TemporaryDirectory() as place:
        folder = Path(place)
        write_headers(config, folder)
        shape = describe(read_checkpoint(str(folder))).shape
        where = Machine.elsewhere(torch.device("cuda"))
        plan = shape_audit.plan_memory(folder, machine=where, windows=WINDOWS, seq_len=SEQ_LEN)
    needed = next(memory.needed for memory in plan.devices if memory.device == "cuda:0")
    gpus = ClusterRoom([Node(8, 128, 2**40)], gpu_bytes=GPU_BYTES).on_gpus(plan).gpus
    weights = 2 * shape.params_total
    unembedding = shape.hidden_size * (shape.vocab_size or 0)
    operations = 4 * (shape.ledger.attention + shape.ledger.feed_forward + unembedding) * WINDOWS * SEQ_LEN
    parts = (START_SECONDS, weights / DOWNLOAD, weights / LOAD, operations / (SHARE * PEAK))
    seconds = sum(parts)
    cells = [
        name, f"{needed / 1e9:.1f}", f"1/{1 / gpus:.0f}" if gpus < 1 else f"{gpus:.0f}", *(f"{p:.1f}" for p in parts),
        f"{seconds * gpus:.1f}", f"{3600 / (seconds * gpus):,.0f}",
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def table() -> str:
    titles = ["model", "GPU memory, GB", "GPUs asked for", "start, s", "download, s", "load, s", "pass, s",
              "GPU-seconds", "models a GPU-hour"]  # fmt: skip
    lines = [f"| {' | '.join(titles)} |", "| --- |" + " ---: |" * (len(titles) - 1)]
    return "\n".join([*lines, *(row(name, config) for name, config in SHAPES.items())])


def main() -> str:
    return (
        f"{heading('What an audit costs on one GPU of 141 GB, computed')}\n"
        f"{WINDOWS} windows of {SEQ_LEN} tokens in bfloat16, all sites, at {SHARE:.0%} of {PEAK / 1e12:.0f} TFLOP/s; "
        f"weights at {DOWNLOAD / 1e9:g} GB/s from the Hub and {LOAD / 1e9:g} GB/s to it. Nothing was run on "
        f"a GPU.\n\n{table()}\n"
    )


if __name__ == "__main__":
    publish(__file__, main())
