"""SA305-308: the index says where the tensors are."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from shape_audit.checks.checked_model import CheckedModel
from shape_audit.checks.policy import Policy
from shape_audit.checks.rule import Seen, rule
from shape_audit.checks.subjects import STORED_SIZES, key_of, tensor
from shape_audit.hub import element_bits

TOTAL = "total_size"


def _some(names: list[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (" ..." if names[most:] else "")


@rule(
    "SA305", "shard-absent", "error", why="The tensors in it cannot be loaded.",
    fix="Add the file, or save the model again: index and shards are written together.",
    explains=("SA301", "SA304", "SA310", "SA318"),
)  # fmt: skip
def shard_absent(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """The index lists files that are not there, or are no safetensors files."""
    faulty = {fault.file for fault in model.files.faults}
    counts = Counter(model.files.weight_map.values())
    absent = sorted(shard for shard in counts if shard not in model.files.headers and shard not in faulty)
    gone = [shard for shard in absent if shard not in model.files.files]
    for shard in absent if len(gone) < 2 else [shard for shard in absent if shard in model.files.files]:
        what = "is no safetensors file" if shard in model.files.files else "is not there"
        yield Seen(
            f"{shard} {what}; {counts[shard]} tensors are listed in it",
            file=model.files.index_file,
            place=shard,
            about=model.lost_with_files,
        )
    if len(gone) > 1:
        others = sorted(set(model.files.headers) - set(counts))
        instead = f"; beside it lie {_some(others)}, which it does not list" if others else ""
        tensors = sum(counts[shard] for shard in gone)
        seen = (
            f"{len(gone)} of {len(counts)} files listed are not there ({_some(gone)}), with {tensors} tensors{instead}"
        )
        yield Seen(seen, file=model.files.index_file, place=gone[0], about=model.lost_with_files)


@rule(
    "SA306", "index-does-not-match", "error",
    why="Readers that trust the index (vLLM, TGI, mmap loaders) miss the tensor or look in the wrong file.",
    fix="Write the index again: save the model, or use huggingface_hub.save_torch_state_dict.",
    explains=("SA301", "SA302", "SA307", "SA310"),
)  # fmt: skip
def index_does_not_match(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """The index lists tensors in a file that lacks them, or does not list some that are stored."""
    listed, headers = model.files.weight_map, model.files.headers
    stored_in = {name: file for file, tensors in headers.items() for name in tensors}
    astray: dict[tuple[str, str | None], list[str]] = defaultdict(list)
    for name, shard in listed.items():
        if shard in headers and name not in headers[shard]:
            astray[shard, stored_in.get(name)].append(name)
    for (shard, other), names in astray.items():
        are, they = ("is", "it is") if len(names) == 1 else (f"(and {len(names) - 1} more) are", "they are")
        where = f"{they} in {other}" if other else f"{they} in none"
        lost = () if other else (*names, *map(tensor, names))
        yield Seen(f"{names[0]} {are} listed in {shard}; {where}", file=model.files.index_file, place=names[0],
                   about=(*lost, key_of(model.files.index_file, TOTAL)))  # fmt: skip
    for shard in sorted(set(listed.values()) & set(headers)):
        names = [name for name in headers[shard] if name not in listed]
        if names:
            are = "is" if len(names) == 1 else f"(and {len(names) - 1} more) are"
            yield Seen(f"{names[0]} {are} stored in {shard}, but not listed",
                       file=model.files.index_file, place=names[0],
                       about=(*names, key_of(model.files.index_file, TOTAL)))  # fmt: skip


@rule(
    "SA307", "index-total", "warning",
    why="Clients show and plan with this number; a wrong one has been off by a factor of 10,000 on the Hub.",
    fix="Write the index again.",
)  # fmt: skip
def index_total(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """metadata.total_size of the index is not the size of the tensors, or no number."""
    metadata = model.files.documents.get(model.files.index_file, {}).get("metadata")
    total = metadata.get("total_size") if isinstance(metadata, dict) else None
    shards = set(model.files.weight_map.values())
    if total is None or not shards or not shards <= set(model.files.headers):
        return
    stored = sum(h.numel * element_bits(h.dtype) // 8 for shard in shards for h in model.files.headers[shard].values())
    if isinstance(total, bool) or not isinstance(total, int | float):
        seen = f"total_size is {total!r:.40}, not a number; the tensors take {stored} bytes"
    elif total != stored:
        seen = f"total_size is {total}, the tensors take {stored:,} bytes"
    else:
        return
    yield Seen(seen, file=model.files.index_file, place=TOTAL, about=(STORED_SIZES,))


@rule("SA308", "tensor-in-two-shards", "error", why="Which of the two is loaded depends on the reader.",
      fix="Remove one of them, or save the model again.")  # fmt: skip
def tensor_in_two_shards(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """Tensors stand in two weight files."""
    first: dict[str, str] = {}
    twice: dict[tuple[str, str], list[str]] = defaultdict(list)
    for file in model.files.weight_files:
        for name in model.files.headers.get(file, {}):
            if name in first:
                twice[first[name], file].append(name)
            first.setdefault(name, file)
    for (one, other), names in twice.items():
        stand = "stands" if len(names) == 1 else f"(and {len(names) - 1} more) stand"
        yield Seen(f"{names[0]} {stand} in {one} and in {other}", file=other, place=names[0])
