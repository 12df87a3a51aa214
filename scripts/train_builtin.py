"""Train the built-in models: byte-level Llamas of a million parameters and fewer.

    .venv/bin/python scripts/train_builtin.py bytes-1m               # half an hour on two idle cores; resumable
    .venv/bin/python scripts/train_builtin.py books-300k --books DIR   # train.txt.xz, test.txt.xz: public-domain prose
    .venv/bin/python scripts/train_builtin.py bytes-1m --bytes 2e6   # a quick look

`bytes-1m` is inside the efficient interaction interval and reads the sources of the running CPython's standard
library, without its tests (mostly tables and literals) and without `pydoc_data`, which is the calibration text; one
source file in 32, chosen by the hash of its path, is held out. `books-300k` is deep and narrow and reads books.

The script writes the Hub folder of the model (config, safetensors, tokenizer) and a README with the figures of this
very run. It keeps a resumable state in --work until it is done.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import lzma
import math
import os
import platform
import sysconfig
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from transformers import LlamaConfig, LlamaForCausalLM

from shape_audit.calibration import read_text
from shape_audit.sweep import byte_tokenizer

ROOT = Path(__file__).resolve().parent.parent
HELD_OUT_ONE_IN = 32
SEQ_LEN = 256
BATCH = 32


@dataclass(frozen=True)
class Recipe:
    """What a built-in model is, and what it reads.

    Attributes:
        text: from the folder of books to the training and the held-out text.
        reads: the training text in words.
        dtype: of the weights that ship.
    """

    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    text: Callable[[Path], tuple[bytes, bytes]]
    reads: str
    summary: str
    dtype: torch.dtype

    @property
    def config(self) -> LlamaConfig:
        return LlamaConfig(
            vocab_size=256,
            hidden_size=self.hidden_size,
            intermediate_size=self.intermediate_size,
            num_hidden_layers=self.num_hidden_layers,
            num_attention_heads=self.num_attention_heads,
            num_key_value_heads=self.num_attention_heads,
            max_position_embeddings=512,
            rope_theta=10000.0,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=None,
            pad_token_id=None,
        )


def standard_library(books: Path) -> tuple[bytes, bytes]:
    """Every .py file of the standard library, in sorted path order."""
    root = Path(sysconfig.get_path("stdlib"))
    left_out = {"site-packages", "pydoc_data", "test", "tests", "idlelib", "turtledemo", "__pycache__"}
    parts: tuple[list[bytes], list[bytes]] = ([], [])
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        if left_out.isdisjoint(relative.parts):
            digest = hashlib.sha256(relative.as_posix().encode()).digest()
            parts[digest[0] % HELD_OUT_ONE_IN == 0].append(path.read_bytes().replace(b"\r\n", b"\n"))
    return b"\n\n".join(parts[0]), b"\n\n".join(parts[1])


def public_domain_books(books: Path) -> tuple[bytes, bytes]:
    """The training and the test split of the books, as they lie in the folder."""
    return lzma.open(books / "train.txt.xz").read(), lzma.open(books / "test.txt.xz").read()


RECIPES = {
    "bytes-1m": Recipe(
        128, 320, 5, 4, standard_library,
        f"of {platform.python_implementation()} {platform.python_version()}'s standard library",
        "It predicts Python source, and somewhat worse the Python\n"
        "documentation that `builtin:python-docs` is made of, which it never saw.",
        torch.float32,
    ),
    "books-300k": Recipe(
        64, 176, 6, 2, public_domain_books,
        "of 39 public-domain books (github.com/mlschmitt/classic-books-markdown, commit 9448827), cleaned",
        "It predicts English prose of the nineteenth\n"
        "century. Deeper and narrower than the efficient interaction interval has it.",
        torch.bfloat16,
    ),
}  # fmt: skip


def unigram_bits(text: bytes) -> float:
    """Entropy of single bytes, in bits per byte: what a model without context could reach."""
    counts = np.bincount(np.frombuffer(text, np.uint8), minlength=256).astype(float)
    p = counts[counts > 0] / counts.sum()
    return float(-(p * np.log2(p)).sum())


def batch_at(step: int, text: torch.Tensor) -> torch.Tensor:
    """The micro-batch of a step depends on the step alone, so that a resumed run sees the same data."""
    generator = torch.Generator().manual_seed(20261120 + step)
    starts = torch.randint(0, len(text) - SEQ_LEN - 1, (BATCH,), generator=generator)
    return torch.stack([text[s : s + SEQ_LEN + 1] for s in starts.tolist()]).long()


@torch.no_grad()
def bits_per_byte(model: LlamaForCausalLM, text: bytes, windows: int = 256) -> float:
    """Mean cross-entropy over evenly spaced windows of SEQ_LEN bytes, in bits per byte."""
    model.eval()
    ids = torch.frombuffer(bytearray(text), dtype=torch.uint8).long()
    starts = np.linspace(0, len(ids) - SEQ_LEN - 1, windows).astype(int)
    total = 0.0
    for chunk in np.array_split(starts, max(1, windows // BATCH)):
        rows = torch.stack([ids[s : s + SEQ_LEN + 1] for s in chunk])
        logits = model(rows[:, :-1], use_cache=False).logits
        total += F.cross_entropy(logits.flatten(0, 1).float(), rows[:, 1:].flatten(), reduction="sum").item()
    model.train()
    return total / (windows * SEQ_LEN * math.log(2))


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Linear warm-up over 2 % of the steps, then a cosine down to 5 % of the peak."""
    warmup = max(1, steps // 50)
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return peak * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * progress)))


def train(
    recipe: Recipe, books: Path, total_bytes: int, work: Path, peak_lr: float, autocast: bool
) -> tuple[LlamaForCausalLM, dict[str, str]]:
    """Train to `total_bytes` predicted bytes, continuing from the state in `work` where there is one."""
    torch.manual_seed(0)
    model = LlamaForCausalLM(recipe.config)
    decayed = [p for p in model.parameters() if p.ndim == 2]
    others = [p for p in model.parameters() if p.ndim != 2]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}],
        lr=peak_lr, betas=(0.9, 0.95), fused=True,
    )  # fmt: skip
    steps = math.ceil(total_bytes / (BATCH * SEQ_LEN))
    state_file, first, seconds = work / "state.pt", 0, 0.0
    if state_file.exists():
        state = torch.load(state_file, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        first, seconds = state["step"], state["seconds"]
    train_text, held_out = recipe.text(books)
    text = torch.frombuffer(bytearray(train_text), dtype=torch.uint8)
    started, losses = time.monotonic() - seconds, []
    for step in range(first, steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, steps, peak_lr)
        rows = batch_at(step, text)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            logits = model(rows[:, :-1], use_cache=False).logits
        loss = F.cross_entropy(logits.flatten(0, 1).float(), rows[:, 1:].flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
        if (step + 1) % 100 == 0 or step + 1 == steps:
            rate = (step + 1) * BATCH * SEQ_LEN / (time.monotonic() - started)
            bits = np.mean(losses[-100:]) / math.log(2)
            print(f"step {step + 1}/{steps}  {bits:.4f} bits/byte  {rate:,.0f} bytes/s", flush=True)
        if (step + 1) % 500 == 0 or step + 1 == steps:
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1,
                     "seconds": time.monotonic() - started}  # fmt: skip
            torch.save(state, work / "state.tmp")
            os.replace(work / "state.tmp", state_file)
    model.to(recipe.dtype).float()  # figures are of the weights that ship
    figures = {
        "predicted bytes": f"{steps * BATCH * SEQ_LEN:,}",
        "training text": f"{len(train_text):,} bytes {recipe.reads}",
        "seconds": f"{time.monotonic() - started:,.0f}",
        "held-out text": f"{bits_per_byte(model, held_out):.4f} bits per byte "
        f"(single-byte entropy {unigram_bits(held_out):.4f})",
    }
    return model, figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=RECIPES)
    parser.add_argument("--books", type=Path, default=ROOT.parent / "shared" / "materials" / "corpus")
    parser.add_argument("--bytes", type=float, default=40e6, help="bytes to predict in training")
    parser.add_argument("--lr", type=float, default=4e-3)
    parser.add_argument(
        "--bf16",
        action="store_true",
        help="autocast: faster on a CPU with bfloat16 matrix units, far slower on one without",
    )
    parser.add_argument("--work", type=Path, help="where the resumable state lies (build/NAME)")
    parser.add_argument("--output", type=Path, help="the model's folder (shape_audit/data/builtin/NAME)")
    options = parser.parse_args()
    name, recipe = options.name, RECIPES[options.name]
    work = options.work or ROOT / "build" / name
    output = options.output or ROOT / "shape_audit" / "data" / "builtin" / name
    work.mkdir(parents=True, exist_ok=True)
    model, figures = train(recipe, options.books, int(options.bytes), work, options.lr, options.bf16)
    docs = read_text().content
    figures["`builtin:python-docs`"] = (
        f"{bits_per_byte(model, docs):.4f} bits per byte (single-byte entropy {unigram_bits(docs):.4f})"
    )
    parameters = sum(p.numel() for p in model.parameters())
    output.mkdir(parents=True, exist_ok=True)
    model.to(recipe.dtype).save_pretrained(output)
    byte_tokenizer(512).save_pretrained(output)
    (output / "generation_config.json").unlink(missing_ok=True)  # no special tokens: nothing to say
    for path in output.iterdir():
        path.chmod(0o644)  # safetensors makes its file private
    rows = "\n".join(f"| {key} | {value} |" for key, value in figures.items())
    card = f"""---
license: apache-2.0
library_name: transformers
pipeline_tag: text-generation
tags: [byte-level, llama]
---
# {name}

A byte-level Llama ({parameters:,} parameters, {recipe.num_hidden_layers} layers, width {recipe.hidden_size},
R_D/W = {recipe.num_hidden_layers / recipe.hidden_size:.4f}), small enough to ship with shape-audit as `builtin:{name}`.
A token is a byte; there are no special tokens. {recipe.summary}

Made by `scripts/train_builtin.py` on {date.today().isoformat()} (AdamW, peak learning rate {options.lr:g}, windows of
{SEQ_LEN} bytes, {BATCH} at a time):

| what | figure |
| --- | --- |
| parameters | {parameters:,} |
{rows}
"""
    (output / "README.md").write_text(card)
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
