"""Closed forms against the models that transformers builds, and the facts a family is made of."""

import json
from pathlib import Path

import pytest
import torch
import transformers

from shape_audit.errors import UsageError
from shape_audit.hub import TensorHeader
from shape_audit.shape import LARGE_TILE, TENSOR_PARALLEL, TILE, Sizes, families, read_tensors, unsplit
from shape_audit.shape.model_families import family_named

SHAPES = [
    Sizes(3, 128, 320, 2, 2, 64, 512, 256, True),
    Sizes(1, 64, 192, 1, 1, 64, 64, 32, False),
    Sizes(5, 384, 1024, 6, 2, 64, 1088, 512, True),
    Sizes(2, 512, 1408, 4, 1, 128, 704, 1024, False),
    Sizes(7, 192, 768, 12, 4, 16, 320, 128, False),
]


def built(folder: Path, content: dict[str, object]) -> torch.nn.Module:
    """The model of a config.json, without memory for its weights."""
    (folder / "config.json").write_text(json.dumps(content))
    config = transformers.AutoConfig.from_pretrained(folder)
    with torch.device("meta"):
        model: torch.nn.Module = transformers.AutoModelForCausalLM.from_config(config)
    model.tie_weights()  # type: ignore[operator]
    return model


@pytest.mark.parametrize("sizes", SHAPES)
@pytest.mark.parametrize("name", families())
def test_every_count_is_that_of_the_model(name: str, sizes: Sizes, tmp_path: Path) -> None:
    family = families()[name]
    if family.queries_per_key_value_head is None:
        sizes = Sizes(**{**vars(sizes), "num_key_value_heads": sizes.num_attention_heads})
    model = built(tmp_path, family.config_of(sizes))
    assert type(model).__name__ == family.architecture
    ledger = family.ledger(sizes)
    total = sum(ledger.model_dump().values())
    unique = dict(model.named_parameters())  # each shared parameter once
    assert total == sum(parameter.numel() for parameter in unique.values())
    headers = {n: TensorHeader("F32", tuple(parameter.shape)) for n, parameter in unique.items()}
    facts = read_tensors(headers)
    assert ledger == facts.ledger and facts.widths == (sizes.hidden_size,) * sizes.num_hidden_layers
    outside, block = family.linear_count(sizes)
    assert outside + sizes.num_hidden_layers * block == total
    outside, block = family.linear_count(sizes, non_embedding=True)
    assert outside + sizes.num_hidden_layers * block == total - ledger.embedding - ledger.unembedding


def test_usual_sizes_are_on_the_tile_and_near_the_ratio() -> None:
    for family in families().values():
        above, below = family.feed_forward_ratio
        for width in range(TILE, 40 * TILE, TILE):
            tile = LARGE_TILE if width % LARGE_TILE == 0 else TILE
            size = family.usual_feed_forward(width)
            assert size % tile == 0 and abs(size - above * width / below) <= tile / 2
        for heads in range(1, 130):
            shared = family.usual_key_value_heads(heads)
            assert heads % shared == 0 and unsplit(shared) == unsplit(heads)


def test_usual_sizes_are_those_of_real_models() -> None:
    found = families()
    assert found["llama"].usual_key_value_heads(32) == 8 and found["llama"].usual_key_value_heads(24) == 8
    assert found["qwen2"].usual_key_value_heads(14) == 2 and found["qwen2"].usual_feed_forward(2048) == 11008
    assert found["qwen3"].usual_key_value_heads(16) == 8 and found["qwen3"].usual_feed_forward(1024) == 3072
    assert found["gpt2"].usual_key_value_heads(25) == 25 and found["gpt2"].usual_feed_forward(768) == 3072
    assert found["llama"].ties(1_235_814_400) and not found["llama"].ties(8_030_261_248)
    assert found["gpt2"].ties(10**12) and not found["gpt_neox"].ties(1)
    assert TENSOR_PARALLEL == (2, 4, 8)


def test_a_family_that_is_none() -> None:
    with pytest.raises(UsageError, match="did you mean llama"):
        family_named("lama")
    with pytest.raises(UsageError, match="there are: llama"):
        family_named("x")
