"""SA4: files that are what they say they are."""

from __future__ import annotations

from collections.abc import Iterator

from shape_audit.checks.checked_model import CheckedModel
from shape_audit.checks.policy import Policy
from shape_audit.checks.rule import Seen, rule
from shape_audit.checks.subjects import BUILDING, key_of
from shape_audit.hub import CONFIG_FILE, FaultKind

_AGAIN = "Save or upload the file again; compare its size and sha256 with the original."
_FETCH = "Fetch the file: `git lfs install && git lfs pull`; in CI, check out with `lfs: true`."

_LOSES = ("SA301", "SA304", "SA310", "SA318", "SA408")
"""What a weight file that cannot be read explains: the tensors in it are missed, and its hash is another."""


def _faults(model: CheckedModel, kind: FaultKind) -> Iterator[Seen]:
    for fault in model.files.faults:
        if fault.kind == kind:
            keys = tuple(key_of(fault.file, key) for key in fault.keys)
            is_lost = fault.file in model.files.weight_files or fault.file in model.files.weight_map.values()
            yield Seen(fault.message, file=fault.file, fix=_FETCH if fault.is_not_fetched else None,
                       about=(*keys, *model.lost_with_files * is_lost))  # fmt: skip


@rule("SA401", "not-safetensors", "error", why="No client can load it; some take minutes or all memory to say so.",
      fix=_AGAIN, explains=_LOSES)  # fmt: skip
def not_safetensors(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """A file named .safetensors does not begin with a sound header."""
    yield from _faults(model, "not-safetensors")


@rule("SA402", "wrong-file-size", "error", why="Tensors at its end are lost, or something was appended.", fix=_AGAIN,
      explains=_LOSES)  # fmt: skip
def wrong_file_size(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """A file is shorter or longer than its header says."""
    yield from _faults(model, "size")


@rule("SA403", "bad-offsets", "error", why="Two tensors share bytes, or one has more or fewer than its shape needs.",
      fix=_AGAIN, explains=_LOSES)  # fmt: skip
def bad_offsets(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """Tensors overlap, or their offsets do not fit their shape."""
    yield from _faults(model, "offsets")


@rule("SA404", "hole-in-data", "error", why="The format forbids bytes that belong to no tensor: they can hide things.",
      fix=_AGAIN, explains=_LOSES)  # fmt: skip
def hole_in_data(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """There are bytes between tensors that belong to none."""
    yield from _faults(model, "hole")


@rule("SA405", "duplicate-key", "error", why="Which of the two entries counts depends on the reader.", fix=_AGAIN,
      explains=("SA1", "SA2", "SA3", "SA408", "SA6"))  # fmt: skip
def duplicate_key(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """A header or a JSON file names a key twice."""
    yield from _faults(model, "duplicate-key")


@rule("SA406", "malformed-entry", "error", why="No client can load it.", fix=_AGAIN, explains=_LOSES)
def malformed_entry(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """A header's entry has an impossible dtype, shape, offset or name."""
    yield from _faults(model, "entry")


_TEXT, _NUMBER, _TRUTH, _TABLE = "a text", "a whole number", "true or false", "an object"
_KINDS: dict[str, tuple[str, ...]] = {
    "model_type": (_TEXT,), "dtype": (_TEXT,), "torch_dtype": (_TEXT,), "tie_word_embeddings": (_TRUTH,),
    "rope_scaling": (_TABLE,), "rope_parameters": (_TABLE,), "quantization_config": (_TABLE,),
    "vocab_size": (_NUMBER,), "num_hidden_layers": (_NUMBER,), "hidden_size": (_NUMBER,), "num_labels": (_NUMBER,),
    "bos_token_id": (_NUMBER, "a list"), "eos_token_id": (_NUMBER, "a list"), "pad_token_id": (_NUMBER, "a list"),
    "architectures": ("a list",),
}  # fmt: skip
"""What keys of config.json may hold, null besides."""


def _kind(value: object) -> str:
    kinds = {str: _TEXT, int: _NUMBER, bool: _TRUTH, dict: _TABLE, list: "a list", float: "a fraction"}
    return kinds.get(type(value), "null")


@rule("SA407", "damaged-json", "error", why="transformers stops at it, or goes on without what it should have said.",
      fix="Write the file again; `python -m json.tool FILE` shows where it breaks.",
      explains=("SA301", "SA304", "SA310", "SA313", "SA408"))  # fmt: skip
def damaged_json(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """A JSON file cannot be read as one or lacks what its readers ask for, or config.json has a value of an impossible
    kind, or names no model type."""
    yield from _faults(model, "json")
    index = model.files.documents.get(model.files.index_file)
    if model.files.weight_map and index is not None and not isinstance(index.get("metadata"), dict):
        yield Seen(
            "it has no object `metadata`; one that is empty will do", file=model.files.index_file, place="metadata"
        )
    if isinstance(model.reading, str):
        yield Seen(model.reading, place=model.reading.partition(" ")[0], about=(BUILDING,))
    for key, kinds in _KINDS.items():
        value = model.config.get(key)
        if value is not None and _kind(value) not in kinds and not isinstance(model.reading, str):
            yield Seen(f"{key} is {_kind(value)}, not {' or '.join(kinds)}", place=key, about=(BUILDING,))
    if model.files.config is not None and not model.config.get("model_type"):
        yield Seen("it names no model_type, so no client knows what to build", place="model_type", about=(BUILDING,))
    tokenizer = model.files.documents.get("tokenizer.json")
    if tokenizer is not None and not isinstance(tokenizer.get("model"), dict):
        yield Seen("it has no model with a vocabulary", file="tokenizer.json", place="model")


@rule("SA408", "wrong-hash", "error", needs="hashes",
      why="A flipped byte makes another model, and no client notices it by itself.",
      fix="Download or upload the file again.")  # fmt: skip
def wrong_hash(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """A file's hash is not the one the Hub has for it: sha256, or git's where the file is not in LFS."""
    for file, found in (model.hash_mismatches or {}).items():
        kind = "sha256" if len(found) == 64 else "git's hash"
        yield Seen(f"{kind} {found[:16]} ..., the Hub says {model.files.hub_hashes[file][:16]} ...", file=file)


@rule("SA409", "unreadable-file", "error", why="What cannot be read cannot be released.",
      fix="Check its permissions and that it is a file.")  # fmt: skip
def unreadable_file(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """A file may not be read, or is a folder, a pipe or a broken link."""
    yield from _faults(model, "unreadable")


@rule("SA410", "link-out-of-folder", "warning", why="An upload takes what the link points to, which others cannot see.",
      fix="Replace the link by the file.")  # fmt: skip
def link_out_of_folder(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """A file is a link that leads out of the folder."""
    yield from _faults(model, "outside")


@rule("SA411", "no-config", "error", why="Without a config.json no client knows what the tensors are.",
      fix="Save the model with save_pretrained(), which writes it.")  # fmt: skip
def no_config(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """There is no config.json."""
    if CONFIG_FILE not in model.files.files and not any(fault.file == CONFIG_FILE for fault in model.files.faults):
        inside = sorted(name for name in model.files.files if name.endswith("/" + CONFIG_FILE))
        where = f"; there is {inside[0]}, see --subfolder" if inside else ""
        yield Seen(f"there is no {CONFIG_FILE}{where}")


@rule("SA412", "lenient-json", "warning",
      why="Infinity and NaN are no JSON: Python reads them; the Hub, browsers and strict parsers refuse the file.",
      fix="Write null, or the largest number that is meant, instead.")  # fmt: skip
def lenient_json(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """A JSON file holds Infinity or NaN."""
    yield from _faults(model, "lenient-json")
