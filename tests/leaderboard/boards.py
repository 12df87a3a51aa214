"""Boards for the page's tests: thirty invented models with all that a row can hold, and one of real shipped facts."""

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow.parquet as pq

from shape_audit.interval import shipped_interval
from shape_audit.linking import LinkOptions, among_size, link_points, make_points
from shape_audit.records import AmongSize, Board, BoardMeasurement, BoardRow, ScoreRecord, SiteInteraction
from shape_audit.scores import LM_EVAL_LETTERS, OFFICIAL_COT, published_scores
from shape_audit.shape import known_models, place
from shape_audit.yardsticks import law_cost, shipped_yardstick

CAVEAT = "it comes from byte-level models of 1M to 10M parameters, one seed a cell"
HOSTILE = (
    "evil/<img src=x onerror=alert(1)>",
    "evil/</script><script>alert(2)</script>",
    'evil/"quoted" & <b>bold</b>',
)
TEXT = "ab" * 32
CARDS: tuple[dict[str, str], ...] = (
    {},
    {"released": "2024-09-18", "license": "apache-2.0"},
    {"released": "2023-12-01", "license": "own <b>words</b>", "license_link": "https://example.org/license"},
    {"released": "2025-01-31", "license": "gemma", "license_link": "javascript:alert(5)"},
)
"""What models' cards say, one after the other."""


def site(name: str, ratio: float, width: int, *, noise: bool = False) -> SiteInteraction:
    def values(what: str, value: float) -> dict[str, object]:
        return {what: value, f"{what}_raw": value, f"{what}_plugin": value, f"{what}_ci": (value * 0.98, value * 1.02)}

    numbers = values("aofe_ratio", ratio) | values("aofe_normalized", ratio / 40) | values("mean_cos2", ratio / 50)
    numbers |= values("effective_rank", 12.5 + 10 * ratio) | values("channel_alignment", ratio / 10)
    numbers |= values("aofe_ratio_random_basis", ratio / 0.9) | values("aofe_ratio_excess", ratio - ratio / 0.9)
    return SiteInteraction.model_validate(
        {"name": name, "width": width, "aofe": 0.01, "aofe_plugin": 0.01, "trace": 0.5, "below_noise_floor": noise}
        | numbers
    )


def measurement(number: int, layers: int, width: int, *, protocol: str = "loss-gradient") -> BoardMeasurement:
    ratios = [
        0.55 + 0.012 * number + 0.3 * math.sin(math.pi * depth / (layers + 1)) ** 2 for depth in range(layers + 1)
    ]
    names = ["embedding", *(f"block.{k}" for k in range(layers))]
    return BoardMeasurement(
        protocol=protocol,
        protocol_hash=("c0ffee" if protocol == "loss-gradient" else "decade") * 10 + "0000",
        dataset="builtin:python-docs",
        text_sha256=TEXT,
        seq_len=256,
        windows=64,
        bits_per_byte=1.4 - 0.02 * number,
        bits_per_byte_ci=(1.38 - 0.02 * number, 1.42 - 0.02 * number),
        cheap_blocks=number % 3 if number % 2 else None,
        functional_share=0.02 + 0.001 * number if number % 2 else None,
        sites=[site(name, ratio, width) for name, ratio in zip(names, ratios, strict=True)],
    )


def score(model: str, value: float, protocol: str = LM_EVAL_LETTERS, **more: object) -> ScoreRecord:
    size = AmongSize(expected=0.25, residual=value - 0.25, spread=0.03, n=12, params_range=(4e8, 4e9), kind="base")
    given: dict[str, object] = {
        "model": model, "revision": None, "protocol": protocol, "value": value, "stderr": 0.004, "n": 12032,
        "is_limited": False, "provider": "published", "source": "https://example.org/scores?a=1&b=2",
        "date": "2025-03-01", "among_size": size if protocol == LM_EVAL_LETTERS else None,
    }  # fmt: skip
    return ScoreRecord.model_validate(given | more)


def row(number: int, name: str | None = None, **more: object) -> BoardRow:
    model = name or f"{'abcde'[number % 5]}-lab/model-{number:02d}"
    layers, width = 12 + 2 * (number % 7), 512 + 256 * (number % 6)
    placement = place(layers / width, shipped_interval())
    cost, ends = law_cost(shipped_yardstick("gemstones"), layers / width)
    given: dict[str, object] = {
        "model": model, "revision": f"{number:040x}", "group": "small" if number % 2 else "large", "source": "record",
        "record": f"record-{number}.json", "record_sha256": f"{number:064x}", "family": f"family {number % 5}",
        "kind": "instruct" if number % 4 == 3 else "base", "architecture": "llama", "num_hidden_layers": layers,
        "hidden_size": width, "r_dw": layers / width, "params_total": 12 * layers * width**2 + 1000 * number,
        "side": placement.side, "log_distance": placement.log_distance, "shape_cost": cost, "shape_cost_ci": ends,
        **CARDS[number % len(CARDS)],
        "scores": [score(model, 0.10 + 0.0123 * (number % 60))],
    }  # fmt: skip
    return BoardRow.model_validate(given | more)


def small_board(rows: Sequence[BoardRow] | None = None) -> Board:
    """Thirty rows: nine measured (one otherwise), two failed, ties, disagreeing and limited scores, hostile names."""
    return Board(
        title="Test board <of> models & more",
        manifest_sha256="5" * 64,
        interval=shipped_interval(),
        caveat=CAVEAT,
        protocols=[LM_EVAL_LETTERS, OFFICIAL_COT],
        order="-score",
        rows=list(rows) if rows is not None else _thirty(),
        evidence=[],
        notes=["a note with <markup>", "javascript:alert(3)"],
    )


def _thirty() -> list[BoardRow]:
    found = []
    for number in range(30):
        plain = row(number)
        layers, width = plain.num_hidden_layers or 0, plain.hidden_size or 0
        more: dict[str, object] = {}
        if number < 8:
            more["measured"] = measurement(number, layers, width)
        elif number == 8:
            more["measured"] = measurement(number, layers, width, protocol="output-gradient")
        elif number in (9, 10):
            more["scores"] = [score(plain.model, 0.3)]
        elif number == 11:
            more["scores"] = [
                score(plain.model, 0.31), score(plain.model, 0.34, provider="posted", source="javascript:alert(4)"),
                score(plain.model, 0.9, is_limited=True, n=100), score(plain.model, 0.4, OFFICIAL_COT),
            ]  # fmt: skip
        elif number == 12:
            more["scores"] = []
        if number >= 27:
            found.append(row(number, HOSTILE[number - 27]))
        elif number in (25, 26):
            found.append(
                BoardRow(
                    model=plain.model,
                    revision=None,
                    group="large",
                    source="none",
                    failure="config.json: <404> not found",
                )
            )
        else:
            found.append(row(number, **more))
    return found


def bare_board() -> Board:
    """Five measured models on four windows, without scores, families or kinds, by name as such a board stands."""
    rows = []
    for number in range(5):
        plain = row(number, family=None, kind=None, scores=[])
        measured = measurement(number, plain.num_hidden_layers or 0, plain.hidden_size or 0)
        sites = [without_intervals(site) for site in measured.sites]
        few = measured.model_copy(update={"windows": 4, "bits_per_byte_ci": None, "sites": sites})
        rows.append(plain.model_copy(update={"measured": few}))
    return small_board(sorted(rows, key=lambda row: row.model))


def without_intervals(site: SiteInteraction) -> SiteInteraction:
    return site.model_copy(update={name: None for name in type(site).model_fields if name.endswith("_ci")})


def real_board() -> Board:
    """All known models with their published scores, and the evidence they give."""
    interval, scores = shipped_interval(), among_size(published_scores())
    by_model: dict[str, list[ScoreRecord]] = {}
    for one in scores:
        by_model.setdefault(one.model, []).append(one)
    points, left_out = make_points(scores, interval, protocol=LM_EVAL_LETTERS)
    rows = []
    for known in known_models().values():
        placement = place(known.r_dw, interval)
        rows.append(
            BoardRow(
                model=known.repo_id, revision=None, group="known", source="shipped table", family=known.family,
                kind="base" if known.is_base else "instruct", domain=known.domain, train_tokens=known.train_tokens,
                derived_from=known.derived_from or None, architecture=known.architecture,
                num_hidden_layers=known.num_hidden_layers, hidden_size=known.hidden_size, r_dw=known.r_dw,
                params_total=round(known.params) if known.params else None, side=placement.side,
                log_distance=placement.log_distance, scores=by_model.get(known.repo_id, []),
            )
        )  # fmt: skip
    return Board(
        title="Depth, width and MMLU-Pro of small dense language models",
        manifest_sha256="0" * 64,
        interval=interval,
        caveat=place(0.01, interval).caveat,
        protocols=[LM_EVAL_LETTERS, OFFICIAL_COT],
        order="-score",
        rows=rows,
        evidence=link_points(points, LinkOptions(protocol=LM_EVAL_LETTERS, draws=200), left_out=left_out),
        notes=[],
    )  # fmt: skip


def read_back(content: bytes) -> Sequence[Mapping[str, Any]]:
    """The rows of a board's parquet table."""
    rows: Sequence[Mapping[str, Any]] = pq.read_table(io.BytesIO(content)).to_pylist()
    return rows
