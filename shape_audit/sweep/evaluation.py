"""What a trained model came to: cross-entropy of unseen text, and its interaction profile in both protocols.

Everything is measured on the model as it was saved, in float32 whatever it was trained in. The two protocols see the
same windows of the test text, cut as `audit` cuts them; one record each keeps them apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from shape_audit.auditing import AuditOptions, audit
from shape_audit.errors import NonFiniteError
from shape_audit.hub import read_checkpoint
from shape_audit.interaction import weight_energies
from shape_audit.models import LoadOptions, load_model
from shape_audit.records import AuditRecord
from shape_audit.sweep.bytes_data import Bytes, windows_at
from shape_audit.sweep.session import SweepSession

if TYPE_CHECKING:
    from shape_audit.parallel import SingleProcess

WINDOWS_A_FORWARD = 64


@dataclass(frozen=True)
class Evaluation:
    """What is measured of one model.

    Attributes:
        val_ce, test_ce: nats per byte.
        test_bytes: predicted for `test_ce`.
        wtw_aofe_ratio: of E^T E, E the token embedding: the authors' `wtw_aofe_ratio` (`compute_wtw_aofe_ratio` in
            `budget_scaling/transformer_ntp_shape_sweep.py` of their code); None where E is zero.
        loss_gradient, projected_output: the audit in each protocol.
    """

    val_ce: float
    test_ce: float
    test_bytes: int
    wtw_aofe_ratio: float | None
    loss_gradient: AuditRecord
    projected_output: AuditRecord


def passage_bytes(seq_len: int) -> int:
    """Bytes of text a window of `seq_len` tokens may draw on, a token being a byte.

    A window begins in the first quarter, up to three bytes of a character may be lost at either end, and it takes
    seq_len + 1 bytes.
    """
    return 2 * seq_len + 16


def evaluate(folder: Path, session: SweepSession) -> Evaluation:
    """Measure a saved model; of several processes each does its part, and all get the result.

    Raises:
        ShapeAuditError: as `audit` says.
    """
    options, text, processes = session.options, session.text, session.processes
    session.progress.step("cross-entropy")
    checkpoint = read_checkpoint(str(folder))
    loaded = load_model(checkpoint, LoadOptions(dtype="float32", device=options.device))
    val_ce, _ = cross_entropy(loaded.model, text.validation[: options.eval_bytes], options.seq_len, processes)
    test_ce, test_bytes = cross_entropy(loaded.model, text.test[: options.eval_bytes], options.seq_len, processes)
    embedding = next(one for one in weight_energies(checkpoint) if one.name == "embedding")
    loss_gradient, projected_output = (
        audit(
            str(folder),
            AuditOptions.of(
                dataset=str(session.folder.test_file), seq_len=options.seq_len, windows=options.windows,
                protocol=protocol, passage_bytes=passage_bytes(options.seq_len), device=options.device, dtype="float32",
                posted=False, records=session.folder.records,
            ),
            progress=session.progress,
        )
        for protocol in ("loss-gradient", "projected-output")
    )  # fmt: skip
    return Evaluation(
        val_ce, test_ce, test_bytes, embedding.energies.quotient("aofe_ratio"), loss_gradient, projected_output
    )


@torch.no_grad()
def cross_entropy(model: nn.Module, text: Bytes, seq_len: int, processes: SingleProcess) -> tuple[float, int]:
    """Mean cross-entropy of a text in nats per byte, and how many bytes were predicted.

    Windows of `seq_len` inputs lie end to end from the text's first byte, so that every byte but the first, and a rest
    shorter than a window, is predicted once. In float64 sums.

    Raises:
        NonFiniteError: it is infinite or not a number.
    """
    device = next(model.parameters()).device
    starts = np.arange(0, len(text) - seq_len, seq_len)
    own = starts[len(starts) * processes.rank // processes.size : len(starts) * (processes.rank + 1) // processes.size]
    total = 0.0
    for first in range(0, len(own), WINDOWS_A_FORWARD):
        ids_BL = torch.from_numpy(windows_at(text, own[first : first + WINDOWS_A_FORWARD], seq_len)).to(device)
        logits_BTV = model(input_ids=ids_BL[:, :-1], use_cache=False).logits
        losses = F.cross_entropy(logits_BTV.flatten(0, 1).float(), ids_BL[:, 1:].flatten(), reduction="none")
        total += float(losses.cpu().double().sum())
    count = len(starts) * seq_len
    mean = _sum(processes.gathered(total)) / count
    if not np.isfinite(mean):
        raise NonFiniteError("the cross-entropy of the trained model is not finite; try a lower --learning-rate")
    return mean, count


def _sum(parts: Sequence[float]) -> float:
    return float(sum(parts))
