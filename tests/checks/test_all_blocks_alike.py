"""Faults that all blocks share, so that none of them tells of the others: sizes, strays, another type's name."""

from pathlib import Path

import numpy as np
import pytest

from tests.checks.checkpoints import BLOCKS, set_config, set_tensors, write_clean
from tests.checks.test_kinds_of_blocks import bad


@pytest.mark.parametrize(
    ("part", "cut", "field"),
    [("self_attn.q_proj", 16, "head_dim"), ("self_attn.k_proj", 16, "num_key_value_heads"),
     ("self_attn.o_proj", 1, "head_dim"), ("mlp.up_proj", 64, "intermediate_size")],
)  # fmt: skip
def test_a_matrix_cut_in_all_blocks_alike_is_told_by_the_others(
    part: str, cut: int, field: str, tmp_path: Path
) -> None:
    folder = write_clean(tmp_path / "model")
    set_tensors(lambda t: t.update({n: a[:-cut] for n, a in t.items() if n.endswith(f"{part}.weight")}))(folder)
    assert bad(folder) == [("SA304", field)]


def test_a_tensor_that_no_model_of_the_type_has_is_found_in_all_blocks(tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    more = {f"model.layers.{index}.extra_proj.weight": np.ones((3, 5), "<f4") for index in range(BLOCKS)}
    set_tensors(lambda t: t.update(more))(folder)
    assert bad(folder) == [("SA302", "model.layers.{0-3}.extra_proj.weight")]


@pytest.mark.parametrize("other", ["gpt2", "gpt_neox", "opt", "bloom"])
def test_blocks_of_another_type_are_one_finding(other: str, tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    set_config(model_type=other)(folder)
    assert bad(folder) == [("SA304", "model_type")]


@pytest.mark.parametrize("field", ["intermediate_size", "num_key_value_heads", "head_dim"])
def test_a_zero_where_there_are_tensors_is_no_promise(field: str, tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    set_config(**{field: 0})(folder)
    assert bad(folder) == [("SA304", field)]
