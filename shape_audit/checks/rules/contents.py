"""SA3: the tensors are those the config promises, and the index says where they are.

Without --deep, blocks are compared with each other: what most of them have, the others should have too. A few that
differ are faults; many that differ are a design, of which only transformers (--deep) knows whether it is kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from shape_audit.checks.checked_model import CheckedModel
from shape_audit.checks.policy import Policy
from shape_audit.checks.rule import Seen, rule
from shape_audit.hub import element_bits
from shape_audit.shape import disagreements, non_dense_reason

_DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
FEW = 4
"""Blocks that differ are faults where they are no more than a 1 / FEW of all, or one."""


def _few(model: CheckedModel) -> int:
    return max(1, len(model.stack.blocks) // FEW) if model.stack else 0


def _anchor(model: CheckedModel, tensor: str) -> str:
    """The file a finding about a tensor belongs to; the first weight file where the tensor is missing."""
    return model.files.file_of(tensor) or next(iter(model.files.weight_files), "config.json")


def _comparable(model: CheckedModel) -> bool:
    """Whether blocks of this model should be alike."""
    return model.tensor_facts is not None and non_dense_reason(model.facts, model.tensor_facts) is None


@rule(
    "SA301", "missing-tensor", "error",
    why="transformers fills what is missing with random numbers and says so in a warning that few read.",
    fix="Save the model again from the training checkpoint that has this tensor.",
)  # fmt: skip
def missing_tensor(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """A block lacks a tensor that the others have, or (--deep) the architecture has one that is not stored."""
    seen = set()
    if model.stack and _comparable(model):
        stack, usual = model.stack, model.stack.usual
        for rest in usual:
            lacking = [index for index, block in stack.blocks.items() if rest not in block]
            for index in lacking if len(lacking) <= _few(model) else []:
                name = stack.name_of(index, rest)
                seen.add(name)
                have = len(stack.blocks) - len(lacking)
                yield Seen(f"block {index} lacks {rest}, which {have} of {len(stack.blocks)} blocks have",
                           file=_anchor(model, name), place=name)  # fmt: skip
    depth = model.facts.num_hidden_layers if model.facts else None
    if depth and model.tensors and model.stack is None:
        seen_nothing = f"config.json promises {depth} blocks, but no tensor belongs to one"
        yield Seen(seen_nothing, file=_anchor(model, ""), place="blocks")
    if model.tensor_facts and model.tensor_facts.blocks and model.tensor_facts.ledger.embedding == 0:
        seen_none = "there are blocks, but no tensor that is known as a token embedding"
        yield Seen(seen_none, file=_anchor(model, ""), place="embedding", severity="warning")
    for name in model.expected.missing if model.expected else ():
        if name not in seen:
            yield Seen(f"the architecture has {name}, which is not stored", file=_anchor(model, name), place=name)


@rule(
    "SA302", "unexpected-tensor", "warning",
    why="What the architecture does not know is not loaded: a sign of another architecture, or of leftovers.",
    fix="Save the model with save_pretrained() of the class that config.json names.",
)  # fmt: skip
def unexpected_tensor(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """A block has a tensor that the others lack, or (--deep) one is stored that the architecture does not have."""
    if model.expected is not None:
        for name in model.expected.unexpected:
            yield Seen(f"{name} is stored, but the architecture has no such tensor",
                       file=_anchor(model, name), place=name)  # fmt: skip
    elif model.stack and len(model.stack.blocks) > 2 and _comparable(model):
        stack, usual = model.stack, model.stack.usual
        others = Counter(rest for block in stack.blocks.values() for rest in block if rest not in usual)
        for index, block in stack.blocks.items():
            for rest in block:
                if 0 < others[rest] <= _few(model):
                    name = stack.name_of(index, rest)
                    yield Seen(f"block {index} has {rest}, as only {others[rest]} of {len(stack.blocks)} blocks do",
                               file=_anchor(model, name), place=name)  # fmt: skip


@rule(
    "SA303", "misshapen-tensor", "error",
    why="transformers refuses to load it, or replaces it by random numbers where sizes may differ.",
    fix="Save the model again from the training checkpoint; look for a merge or resize that missed this tensor.",
)  # fmt: skip
def misshapen_tensor(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """A tensor of a block has another shape than in the other blocks, or (--deep) than the architecture gives it."""
    seen = set()
    if model.stack and _comparable(model) and not model.is_quantized:
        stack = model.stack
        for rest, shape in stack.usual.items():
            odd = {
                i: block[rest].shape
                for i, block in stack.blocks.items()
                if rest in block and block[rest].shape != shape
            }
            for index in odd if len(odd) <= _few(model) else ():
                name = stack.name_of(index, rest)
                seen.add(name)
                yield Seen(f"block {index}: {rest} is {list(odd[index])}, in the other blocks {list(shape)}",
                           file=_anchor(model, name), place=name)  # fmt: skip
    for name, stored, wanted in model.expected.mismatched if model.expected else ():
        if name not in seen:
            yield Seen(f"{name} is {list(stored)}, the architecture has {list(wanted)}",
                       file=_anchor(model, name), place=name)  # fmt: skip


@rule(
    "SA304", "config-disagrees", "error",
    why="transformers builds what the config says: weights are then dropped, random, or refused.",
    fix="Correct config.json, or save the weights again.",
)  # fmt: skip
def config_disagrees(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """Depth, width, feed-forward width or vocabulary in config.json are not those of the tensors."""
    if model.facts and model.tensor_facts:
        for field, promised, seen in disagreements(model.facts, model.tensor_facts):
            yield Seen(f"{field} = {promised}, but the tensors show {seen}", place=field)
    if model.stack:
        absent = sorted(set(range(max(model.stack.blocks) + 1)) - set(model.stack.blocks))
        if absent:
            shown = ", ".join(map(str, absent[:5])) + (" ..." if absent[5:] else "")
            yield Seen(f"blocks go up to {max(model.stack.blocks)}, but there is no block {shown}",
                       file=_anchor(model, ""), place="blocks")  # fmt: skip


@rule(
    "SA305", "shard-absent", "error", why="The tensors in it cannot be loaded.",
    fix="Add the file, or save the model again: index and shards are written together.",
)  # fmt: skip
def shard_absent(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """The index lists a file that is not there, or is no safetensors file."""
    faulty = {fault.file for fault in model.files.faults}
    for shard, count in sorted(Counter(model.files.weight_map.values()).items()):
        if shard not in model.files.headers and shard not in faulty:
            what = "is no safetensors file" if shard in model.files.files else "is not there"
            yield Seen(f"{shard} {what}; {count} tensors are listed in it", file=model.files.index_file, place=shard)


@rule(
    "SA306", "index-does-not-match", "error",
    why="Readers that trust the index (vLLM, TGI, mmap loaders) miss the tensor or look in the wrong file.",
    fix="Write the index again: save the model, or use huggingface_hub.save_torch_state_dict.",
)  # fmt: skip
def index_does_not_match(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """The index lists a tensor in a file that lacks it, or does not list one that is stored."""
    listed, headers = model.files.weight_map, model.files.headers
    stored_in = {name: file for file, tensors in headers.items() for name in tensors}
    for name, shard in listed.items():
        if shard in headers and name not in headers[shard]:
            other = stored_in.get(name)
            where = f"it is in {other}" if other else "it is in none"
            yield Seen(f"{name} is listed in {shard}; {where}", file=model.files.index_file, place=name)
    for shard in sorted(set(listed.values()) & set(headers)):
        for name in headers[shard]:
            if name not in listed:
                yield Seen(f"{name} is stored in {shard}, but not listed", file=model.files.index_file, place=name)


@rule(
    "SA307", "index-total", "warning",
    why="Clients show and plan with this number; a wrong one has been off by a factor of 10,000 on the Hub.",
    fix="Write the index again.",
)  # fmt: skip
def index_total(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """metadata.total_size of the index is not the size of the tensors."""
    metadata = model.files.documents.get(model.files.index_file, {}).get("metadata")
    total = metadata.get("total_size") if isinstance(metadata, dict) else None
    shards = set(model.files.weight_map.values())
    if total is None or not shards <= set(model.files.headers):
        return
    stored = sum(h.numel * element_bits(h.dtype) // 8 for shard in shards for h in model.files.headers[shard].values())
    if total != stored:
        yield Seen(f"total_size is {total}, the tensors take {stored:,} bytes",
                   file=model.files.index_file, place="total_size")  # fmt: skip


@rule("SA308", "tensor-in-two-shards", "error", why="Which of the two is loaded depends on the reader.",
      fix="Remove one of them, or save the model again.")  # fmt: skip
def tensor_in_two_shards(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """A tensor stands in two weight files."""
    first: dict[str, str] = {}
    for file in model.files.weight_files:
        for name in model.files.headers.get(file, {}):
            if name in first:
                yield Seen(f"{name} stands in {first[name]} and in {file}", file=file, place=name)
            first.setdefault(name, file)


@rule(
    "SA309", "tied-weights-stored-twice", "warning",
    why="config.json ties the output matrix to the embedding: the second copy is not loaded, and may differ.",
    fix="Save with save_pretrained(), which leaves tied weights out; or set tie_word_embeddings to false.",
)  # fmt: skip
def tied_weights_stored_twice(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """The output matrix is stored though the config ties it to the embedding."""
    facts, tensors = model.facts, model.tensor_facts
    if facts and tensors and facts.tie_word_embeddings and tensors.output_matrix:
        yield Seen(f"tie_word_embeddings is true, yet an output matrix of {tensors.output_matrix:,} numbers is stored",
                   place="tie_word_embeddings")  # fmt: skip


@rule(
    "SA310", "output-matrix-missing", "error", why="The model would predict with a random output matrix.",
    fix="Save the output matrix, or set tie_word_embeddings to true if it is the embedding.",
)  # fmt: skip
def output_matrix_missing(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """The config says untied embeddings, and no output matrix is stored."""
    facts, tensors = model.facts, model.tensor_facts
    if facts is None or tensors is None or not tensors.blocks or facts.is_causal_lm is False:
        return
    if facts.tie_word_embeddings is False and not tensors.output_matrix:
        yield Seen("tie_word_embeddings is false, but no output matrix is stored", place="tie_word_embeddings")


@rule(
    "SA311", "mixed-dtypes", "note",
    why="Clients load all in one dtype; what is stored in another is rounded, or takes twice the space for nothing.",
    fix="Cast the model before saving, or accept it in the policy where it is meant (norms in float32).",
)  # fmt: skip
def mixed_dtypes(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """Parameters are stored in more than one floating-point dtype."""
    if model.is_quantized:
        return
    counts: Counter[str] = Counter()
    for header in model.tensors.values():
        if header.dtype in _DTYPES:
            counts[header.dtype] += 1
    if len(counts) > 1:
        words = ", ".join(f"{count} tensors in {_DTYPES[dtype]}" for dtype, count in counts.most_common())
        yield Seen(words, file=_anchor(model, ""), place="dtype")


@rule(
    "SA312", "dtype-disagrees", "warning",
    why="transformers loads in the config's dtype: numbers are rounded, or memory is doubled, without a word.",
    fix="Set dtype in config.json to what is stored.",
)  # fmt: skip
def dtype_disagrees(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """The dtype in config.json is not the one most parameters are stored in."""
    promised = model.config.get("dtype") or model.config.get("torch_dtype")
    if not isinstance(promised, str) or promised == "auto" or model.is_quantized:
        return
    counts: Counter[str] = Counter()
    for header in model.tensors.values():
        counts[header.dtype] += header.numel
    stored = _DTYPES.get(counts.most_common(1)[0][0]) if counts else None
    if stored and stored != promised.removeprefix("torch."):
        yield Seen(f"dtype is {promised}, but most parameters are stored in {stored}", place="dtype")


@rule(
    "SA314", "uneven-blocks", "warning",
    why="So many blocks differ that it may be a design; only the architecture knows, and it was not asked.",
    fix="Run with --deep: transformers then says which of them are missing.",
)  # fmt: skip
def uneven_blocks(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """Several blocks lack a tensor that others have, and --deep was not asked for."""
    if model.expected is not None or model.stack is None or not _comparable(model):
        return
    stack = model.stack
    counts = Counter(rest for block in stack.blocks.values() for rest in block)
    for rest, count in counts.items():
        if _few(model) < count < len(stack.blocks) - _few(model):
            yield Seen(f"{rest} is in {count} of {len(stack.blocks)} blocks", file=_anchor(model, ""), place=rest)


@rule("SA313", "cannot-be-built", "error", needs="deep",
      why="What transformers cannot build from config.json, nobody can load by its name.",
      fix="Compare config.json with one that works; check model_type and architectures.")  # fmt: skip
def cannot_be_built(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """transformers cannot build the architecture that config.json describes."""
    if model.expected and model.expected.refusal:
        yield Seen(f"transformers cannot load it: {model.expected.refusal}", place="architecture")
