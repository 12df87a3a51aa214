"""Do small models use their depth and width? In shapes from 1 to 16 blocks of one size.

The built-in models (six shapes of the zoo, 0.3M parameters each and trained alike, and bytes-1m) and, where ../shared
is there, tiny-stories-260k, on the text that ships, which none of them was trained on. Of each: the loss, what each
block is worth, how many are worth less than 1 % of the loss, which cheap number ranks the blocks as leaving them out
does, how many directions of the width are active, how many matter, and how crowded the token embedding is. `--model`
takes names on the Hub too, where there is a network.

    .venv/bin/python benchmarks/depth_and_width_use.py [--windows 64] [--model NAME ...] [--save]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.reporting import ROOT, heading, publish
from shape_audit.auditing import audit
from shape_audit.records import AuditRecord, BlockUse

ZOO = ("1x144", "2x104", "4x80", "8x56", "12x48", "16x40")
STORIES = ROOT.parent / "shared" / "materials" / "tiny-stories-260k"
MEASURES = {
    "block_influence": "block influence",
    "update_size": "update size",
    "gradient_influence": "gradient influence",
    "first_order_saving": "first-order saving",
}


def audited(model: str, windows: int) -> AuditRecord:
    """The model on the text that ships."""
    return audit(model, windows=windows, seq_len=128, use=True, skip=True, skip_windows=windows, posted=False)


def line(record: AuditRecord) -> str:
    use, crowded = record.use, record.superposition
    assert use is not None and use.summary is not None and crowded is not None and crowded.embedding is not None
    costs = [block.skip_loss or 0.0 for block in use.blocks]
    loss = use.summary.nats_per_token
    ranks = " | ".join(_number(use.summary.rank_correlations[name]) for name in MEASURES)
    return (
        f"| {record.model.repo_id.removeprefix('builtin:')} | {record.shape.num_hidden_layers} x "
        f"{record.shape.hidden_size} | {record.shape.r_dw:.4f} | {loss:.3f} | {len(use.summary.cheap_blocks)} | "
        f"{min(costs) / loss:.1%} | {sorted(costs)[len(costs) // 2] / loss:.1%} | {ranks} | "
        f"{crowded.embedding.mean_cosine:.3f} | {crowded.embedding.epsilon:.2f} |"
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:+.2f}"


def width_line(record: AuditRecord) -> str:
    use = record.use
    assert use is not None and use.sites is not None and use.functional_share is not None
    sites = [use.sites[i] for i in (0, len(use.sites) // 2, -1)]
    stream = " | ".join(_with_ends(site.activation_effective_rank, site.activation_effective_rank_ci) for site in sites)
    matter = " | ".join(_with_ends(site.functional_rank, site.functional_rank_ci) for site in sites)
    return (
        f"| {record.model.repo_id.removeprefix('builtin:')} | {record.shape.hidden_size} | {stream} | {matter} | "
        f"{use.functional_share:.1%} |"
    )


def _with_ends(value: float | None, ends: tuple[float, float] | None) -> str:
    return "–" if value is None or ends is None else f"{value:.1f} [{ends[0]:.1f}, {ends[1]:.1f}]"


def blocks_table(record: AuditRecord) -> str:
    def row(block: BlockUse) -> str:
        low, high = block.skip_loss_ci or (float("nan"), float("nan"))
        return (
            f"| {block.name} | {block.skip_loss:.3f} [{low:.3f}, {high:.3f}] | {block.block_influence:.3f} | "
            f"{block.update_size:.2f} | {block.gradient_influence:.2f} | {block.first_order_saving:+.4f} |"
        )

    assert record.use is not None
    return "\n".join(
        [
            f"\n**{record.model.repo_id}**\n",
            "| block | left out, nats/token | influence | update size | gradient influence | first-order saving |",
            "| --- | --- | --- | --- | --- | --- |",
            *map(row, record.use.blocks),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=64)
    parser.add_argument("--model", action="append", help="instead of the built-in models; may be repeated")
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    models = options.model or [f"builtin:zoo-300k-{shape}" for shape in ZOO] + ["builtin:bytes-1m"]
    if not options.model and STORIES.is_dir():
        models.append(str(STORIES))
    records = [audited(model, options.windows) for model in models]
    head = "| model | shape | R_D/W | nats/token | blocks under 1 % | cheapest block | median block | "
    head += " | ".join(f"ρ {name}" for name in MEASURES.values()) + " | mean cosine | epsilon |"
    text = "\n".join(
        [
            heading("What blocks and directions are worth, and which cheap number knows it"),
            f"\n{options.windows} windows of 128 tokens a model. Costs in per cent of the loss; ρ is Spearman's "
            "correlation over blocks with what leaving them out costs.\n",
            head,
            "| --- " * (head.count("|") - 1) + "|",
            *map(line, records),
            "\nDirections of the width, without each window's first position: effective rank of the stream, and "
            "functional rank (active and matter), at the embedding, the middle and the last block.\n",
            "| model | width | stream, first | middle | last | matter, first | middle | last | of the width, median |",
            "| --- " * 9 + "|",
            *map(width_line, records),
            *map(blocks_table, records),
        ]
    )
    publish(__file__, text)


if __name__ == "__main__":
    main()
