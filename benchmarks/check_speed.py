"""What `shape-audit check` costs: time and memory against an import of torch, and bytes looked at per second.

A checkpoint of Llama-3.1-8B's shape in shards of 5 GB whose headers are real and whose data is a hole in a sparse file;
and 2 GB of bfloat16 numbers for --weights, read twice so that the file is warm.

.venv/bin/python benchmarks/check_speed.py [--save]
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.checkpoints import LLAMA_1B, LLAMA_8B, add_tokenizer, write_random_llama
from benchmarks.reporting import heading, publish
from shape_audit.hub import TensorHeader, raw_header

REPEATS = 9
SHARD_BYTES = 5e9
CHECK = [sys.executable, "-m", "shape_audit", "check"]


def write_sparse_8b(folder: Path) -> None:
    """Headers, index and config of the 8B shape; no data."""
    width, kv = LLAMA_8B["hidden_size"], LLAMA_8B["num_key_value_heads"] * LLAMA_8B["head_dim"]
    feed_forward, vocabulary = LLAMA_8B["intermediate_size"], LLAMA_8B["vocab_size"]
    block = {
        "self_attn.q_proj": (width, width), "self_attn.k_proj": (kv, width), "self_attn.v_proj": (kv, width),
        "self_attn.o_proj": (width, width), "mlp.gate_proj": (feed_forward, width),
        "mlp.up_proj": (feed_forward, width), "mlp.down_proj": (width, feed_forward),
        "input_layernorm": (width,), "post_attention_layernorm": (width,),
    }  # fmt: skip
    shapes = {"model.embed_tokens.weight": (vocabulary, width)}
    for index in range(LLAMA_8B["num_hidden_layers"]):
        shapes |= {f"model.layers.{index}.{name}.weight": shape for name, shape in block.items()}
    shapes |= {"model.norm.weight": (width,), "lm_head.weight": (vocabulary, width)}
    shards: list[dict[str, TensorHeader]] = [{}]
    for name, shape in shapes.items():
        if sum(2 * header.numel for header in shards[-1].values()) > SHARD_BYTES:
            shards.append({})
        shards[-1][name] = TensorHeader("BF16", shape)
    weight_map, total = {}, 0
    for number, tensors in enumerate(shards, 1):
        file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        header, size = raw_header(tensors)
        with (folder / file).open("wb") as stream:
            stream.write(header)
            stream.truncate(len(header) + size)
        weight_map |= dict.fromkeys(tensors, file)
        total += size
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    config = {**LLAMA_8B, "model_type": "llama", "architectures": ["LlamaForCausalLM"], "dtype": "bfloat16"}
    (folder / "config.json").write_text(json.dumps(config))
    add_tokenizer(folder)


def seconds(command: list[str]) -> float:
    started = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert done.returncode in (0, 1)
    return time.perf_counter() - started


def peak_memory(command: list[str]) -> int:
    """Largest resident memory of the command, in bytes; measured by a process of its own that runs nothing else."""
    script = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run([sys.executable, "-c", script, *command], capture_output=True, text=True, check=True)
    return int(done.stdout) * 1024


def main() -> None:
    with TemporaryDirectory(prefix="check-speed-") as name:
        folder = Path(name) / "8b"
        folder.mkdir()
        write_sparse_8b(folder)
        check, torch = [*CHECK, str(folder)], [sys.executable, "-c", "import torch"]
        pairs = [(seconds(check), seconds(torch)) for _ in range(REPEATS)]
        memory = peak_memory(check)
        weights = Path(name) / "1b"
        weights.mkdir()
        write_random_llama(LLAMA_1B, weights)
        size = sum(file.stat().st_size for file in weights.glob("*.safetensors"))
        plain, looking = [*CHECK, str(weights)], [*CHECK, str(weights), "--weights"]
        seconds(looking)
        rates = [size / (seconds(looking) - seconds(plain)) for _ in range(REPEATS)]
        looking_memory = peak_memory(looking)
    ratio = statistics.median(a / b for a, b in pairs)
    text = heading("What `shape-audit check` costs")
    text += f"""
| | measured | target |
| --- | ---: | ---: |
| check of an 8B-shape checkpoint, {len(pairs)} pairs: time over that of `import torch` | {ratio:.2f} | under 0.5 |
| seconds, check and import | {min(a for a, _ in pairs):.2f} and {min(b for _, b in pairs):.2f} | |
| its peak memory | {memory / 1e6:.0f} MB | under 100 MB |
| `--weights`, warm file of {size / 1e9:.1f} GB in bfloat16, beyond the check itself \
| {statistics.median(rates) / 1e9:.2f} GB/s | at least 1 GB/s |
| its peak memory, pages of the mapped file included | {looking_memory / 1e6:.0f} MB | |"""
    publish(__file__, text)


if __name__ == "__main__":
    main()
