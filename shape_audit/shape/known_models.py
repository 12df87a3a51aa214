"""The shipped table of real dense models: whose family a name belongs to, and where real models lie."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from shape_audit.shipped import rows


@dataclass(frozen=True)
class KnownModel:
    """One row of `data/model_shapes.csv`, as far as this room needs it."""

    repo_id: str
    family: str
    architecture: str
    """Model type, as in config.json."""
    r_dw: float
    is_base: bool
    params: float | None
    """Parameters; of models whose blocks differ in width, those of the published closed form."""
    train_tokens: float | None
    domain: str
    derived_from: str
    num_hidden_layers: int
    hidden_size: int
    intermediate_size: int | None
    vocab_size: int | None
    num_attention_heads: int | None
    num_key_value_heads: int | None
    head_dim: int | None


_OPTIONAL = ("intermediate_size", "vocab_size", "num_attention_heads", "num_key_value_heads", "head_dim")


@cache
def known_models() -> dict[str, KnownModel]:
    """repo_id -> model, of every row."""
    return {
        row["repo_id"]: KnownModel(
            repo_id=row["repo_id"],
            family=row["family"],
            architecture=row["architecture"],
            r_dw=int(row["num_hidden_layers"]) / int(row["hidden_size"]),
            is_base=row["base_or_instruct"] == "base",
            params=float(row["params_total"] or row["params_equivalent"] or 0) or None,
            train_tokens=float(row["train_tokens"] or 0) or None,
            domain=row["domain"],
            derived_from=row["derived_from"],
            num_hidden_layers=int(row["num_hidden_layers"]),
            hidden_size=int(row["hidden_size"]),
            **{field: int(row[field]) if row[field] else None for field in _OPTIONAL},
        )
        for row in rows("model_shapes")
    }


@cache
def feed_forward_range(model_type: str) -> tuple[float, float] | None:
    """Lowest and highest intermediate_size / hidden_size of the known models of a type; None where there are none."""
    ratios = [
        model.intermediate_size / model.hidden_size
        for model in known_models().values()
        if model.architecture == model_type and model.intermediate_size
    ]
    return (min(ratios), max(ratios)) if ratios else None
