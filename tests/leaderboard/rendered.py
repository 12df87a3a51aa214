"""A small rendered leaderboard, as `leaderboard render` leaves one."""

from __future__ import annotations

from pathlib import Path

from shape_audit.leaderboard.page.tables import csv_text
from shape_audit.records import Board, BoardMeasurement, BoardRow, Interval, ScoreRecord, SiteInteraction

CAVEAT = "derived from byte-level models of 1M-10M parameters, one seed a cell"
INTERVAL = Interval(name="shipped-2pct", low=0.0204, high=0.0645, source="the authors' sweep")

CARD = """---
license: cc-by-4.0
configs:
- config_name: default
  data_files: table.parquet
tags:
- leaderboard
---

# Shapes and scores
"""


def site(name: str, aofe_ratio: float, *, below_noise_floor: bool = False) -> SiteInteraction:
    """A site whose other numbers follow from nothing."""
    return SiteInteraction(
        name=name, width=1024, aofe=1e-6, aofe_plugin=1e-6, aofe_ratio=aofe_ratio, aofe_ratio_raw=aofe_ratio,
        aofe_ratio_plugin=aofe_ratio, aofe_ratio_ci=(aofe_ratio - 0.01, aofe_ratio + 0.01), aofe_normalized=0.02,
        aofe_normalized_raw=0.02, aofe_normalized_plugin=0.02, mean_cos2=0.03, mean_cos2_raw=0.03,
        mean_cos2_plugin=0.03, effective_rank=41.5, effective_rank_raw=41.5, effective_rank_plugin=41.5,
        effective_rank_ci=(40, 43), aofe_ratio_random_basis=0.96, aofe_ratio_excess=aofe_ratio - 0.96,
        channel_alignment=0.0625, channel_alignment_ci=(0.05, 0.076), trace=1e-3, below_noise_floor=below_noise_floor,
    )  # fmt: skip


def score(protocol: str, value: float, **given: object) -> ScoreRecord:
    """A published score, but for what is given."""
    facts = {
        "model": "org/one", "revision": None, "stderr": 0.004, "n": 12_032, "is_limited": False,
        "provider": "published", "source": "Open LLM Leaderboard", "date": "2025-01-01",
    }  # fmt: skip
    return ScoreRecord.model_validate(facts | {"protocol": protocol, "value": value} | given)


def row(model: str = "org/one", **given: object) -> BoardRow:
    """An audited row, but for what is given."""
    facts: dict[str, object] = {
        "model": model, "revision": "a" * 40, "group": "base", "source": "record", "record": "one.json",
        "record_sha256": "b" * 64, "num_hidden_layers": 24, "hidden_size": 1024, "r_dw": 24 / 1024,
        "intermediate_size": 4096, "num_attention_heads": 16, "num_key_value_heads": 4, "head_dim": 64,
        "vocab_size": 50_304, "tie_word_embeddings": False, "params_total": 405_000_000,
        "params_non_embedding": 302_000_000, "side": "inside", "log_distance": 0.0,
    }  # fmt: skip
    return BoardRow.model_validate(facts | given)


def measurement(sites: int) -> BoardMeasurement:
    """What an audit at so many sites has measured."""
    names = ["embedding", *(f"block.{number}" for number in range(sites - 1))]
    return BoardMeasurement(
        protocol="loss-gradient", protocol_hash="c" * 64, dataset="builtin:python-docs", text_sha256="d" * 64,
        seq_len=256, windows=64, bits_per_byte=1.013, bits_per_byte_ci=(1.003, 1.023),
        sites=[site(name, 0.9 - number / 100) for number, name in enumerate(names)],
    )  # fmt: skip


def board(*rows: BoardRow) -> Board:
    """A board of these rows."""
    return Board(
        title="Shapes and scores", manifest_sha256="e" * 64, interval=INTERVAL, caveat=CAVEAT,
        protocols=["official-cot"], order="-score", rows=list(rows), evidence=[], notes=[],
    )  # fmt: skip


def write_table(folder: Path, *rows: BoardRow) -> None:
    """table.parquet, with a few columns."""
    import pyarrow
    import pyarrow.parquet

    columns = {"model": [row.model for row in rows], "r_dw": [row.r_dw for row in rows]}
    pyarrow.parquet.write_table(pyarrow.table(columns), folder / "table.parquet")


def write_rendered(folder: Path, *rows: BoardRow) -> Path:
    """A rendered leaderboard, with what else lies in such a folder after a build that was cut off once."""
    rows = rows or (row("org/one"), row("org/two", num_hidden_layers=12, r_dw=12 / 1024, side="shallow-wide"))
    texts = {
        "board.json": board(*rows).model_dump_json(indent=2) + "\n",
        "README.md": CARD,
        "index.html": "<!doctype html><title>Shapes and scores</title>\n",
        "table.csv": csv_text(board(*rows)),
        "leaderboard.toml": 'title = "Shapes and scores"\n',
        "records/org--one__aaaaaaaaaaaa__shape.json": "{}\n",
        "records/org--two__aaaaaaaaaaaa__shape.json": "{}\n",
        "figures/link.svg": "<svg/>\n",
        "partial/sums.npz": "half",
        "failures/org--three.json": '{"model": "org/three", "reason": "/home/someone/secret"}\n',
        "notes.txt": "mine",
        ".token": "hf_secret",
        "records/.org--one.json.12.tmp": "half",
        "records/org--three.json.tmp": "half",
        "records/new\nline.json": "{}",
        "records/deeper/org--four.json": "{}",
        "figures/.DS_Store": "x",
    }
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    write_table(folder, *rows)
    return folder


SENT = {
    "README.md", "board.json", "figures/link.svg", "index.html", "leaderboard.toml", "table.csv", "table.parquet",
    "records/org--one__aaaaaaaaaaaa__shape.json", "records/org--two__aaaaaaaaaaaa__shape.json",
}  # fmt: skip
"""Of all that `write_rendered` writes, what a push sends."""
