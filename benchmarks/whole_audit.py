"""What a user waits for: the whole audit of a small model against what no audit can do without.

That is a process which imports torch and transformers' file for the architecture, loads the weights and runs one bare
forward and backward pass over as many windows of the same length. Whole processes, in pairs of alternating order; the
ratio of each pair is taken, its median is the result. Both the processor's seconds (user and system, all threads) and
the clock's are shown: on a machine that others use meanwhile only the first mean anything.

    .venv/bin/python benchmarks/whole_audit.py [--save] [--pairs N]
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.processes import Took, compared, pairs_wanted, run
from benchmarks.reporting import heading, publish
from shape_audit.hub.builtin_models import builtin_folder

MODEL = "bytes-1m"
WINDOWS, SEQ_LEN, MICRO_BATCH = 64, 256, 16
TARGET = 1.3
BARE = f"""
import torch
from transformers.models.llama.modeling_llama import LlamaForCausalLM

model = LlamaForCausalLM.from_pretrained({str(builtin_folder(MODEL))!r}, dtype=torch.float32)
model.eval().requires_grad_(False)
ids_KL = torch.randint(0, 256, ({WINDOWS}, {SEQ_LEN + 1}))
for ids_BL in ids_KL.split({MICRO_BATCH}):
    stream_BTD = model.get_input_embeddings()(ids_BL[:, :-1]).requires_grad_()
    logits_BTV = model(inputs_embeds=stream_BTD, use_cache=False).logits
    loss = torch.nn.functional.cross_entropy(logits_BTV.flatten(0, 1), ids_BL[:, 1:].flatten(), reduction="sum")
    torch.autograd.grad(loss, stream_BTD)
"""


def main() -> None:
    audited: list[Took] = []
    bare: list[Took] = []
    phases: list[dict[str, Any]] = []
    with TemporaryDirectory(prefix="whole-audit-") as folder:
        audit = (
            *("-m", "shape_audit", "audit", f"builtin:{MODEL}", "--no-resume", "--records", folder),
            *("--windows", str(WINDOWS), "--seq-len", str(SEQ_LEN), "--micro-batch", str(MICRO_BATCH)),
        )
        for pair in range(pairs_wanted(5) + 1):
            for command, took in ((audit, audited), (("-c", BARE), bare))[:: 1 if pair % 2 else -1]:
                took.append(run(*command))
            (record,) = Path(folder).glob("*.json")
            phases.append(json.loads(record.read_text())["environment"]["wall_seconds"])
    del audited[0], bare[0], phases[0]  # the first pair warms the disk
    text = heading(f"The whole audit of builtin:{MODEL} / import torch, import the model's file, load, bare pass")
    text += f"\nMedian and quartiles of {len(bare)} pairs. Target: {TARGET}.\n\n"
    text += compared("audit", audited, "bare", bare)
    clock = [took.clock for took in audited]
    covered = [sum(seconds.values()) / whole for seconds, whole in zip(phases, clock, strict=True)]
    text += "\n\n| phase | seconds by the clock |\n| --- | ---: |\n"
    text += "\n".join(f"| {name} | {statistics.median(each[name] for each in phases):.2f} |" for name in phases[0])
    text += f"\n\nTogether {100 * statistics.median(covered):.1f} % of the process's time."
    publish(__file__, text)


if __name__ == "__main__":
    main()
