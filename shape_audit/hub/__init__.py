"""A model's name -> its files: config, tensor headers, tokenizer facts. Never weights.

parse_model("org/name@revision")     -> ModelRef: what the user means; model_named(text): what a result file means;
                                        model_at_hub(text): what a stranger means, never a folder
inspect_model(ref)                   -> Inspection: every file looked at, faults listed
read_checkpoint(ref)                 -> Checkpoint: the same, and the first fault raised
open_repository(ref, retries)        -> RepositoryFiles: where the files can be had; read_texts(files, wanted)
parse_yaml(text, file=)              -> plain data of a card or a file of results, without aliases
weights_folder(checkpoint), tokenizer_folder(checkpoint), config_folder(checkpoint)   -> folders to load from
tokenizer_sha256(folder)             -> the hash that says two tokenizers are the same
watching(what, call)                 -> the same call of huggingface_hub, with bounds on what comes in and how long
watched(what, size=)                 while open, the same bounds on what this thread asks the Hub
watched_session(what, size=, seconds=)   while open, the same bounds on all that libraries ask the Hub
side_by_side(work, items, workers)   -> work of each item, several at a time, ended by the first error or Ctrl-C
requested_code(config)               -> what a config asks to have fetched and run, and a loader leaves out
"""

from typing import TYPE_CHECKING

from shape_audit.hub.builtin_models import builtin_names
from shape_audit.hub.checkpoint import Checkpoint, checkpoint_of, read_checkpoint
from shape_audit.hub.inspection import FaultKind, Inspection, inspect_model
from shape_audit.hub.local_folders import config_folder, tokenizer_folder, weights_folder
from shape_audit.hub.names import is_offline, model_at_hub, model_named, parse_model
from shape_audit.hub.options import ReadOptions
from shape_audit.hub.quiet import quiet_datasets, quiet_downloads, quiet_transformers
from shape_audit.hub.repository_files import RepositoryFiles, open_repository
from shape_audit.hub.requested_code import (
    ATTENTION,
    EXPERTS,
    names_repository,
    requested_code,
    without_requested_code,
)
from shape_audit.hub.retrying import DEFAULT_RETRIES, with_retries
from shape_audit.hub.safetensors_header import TensorHeader, element_bits, raw_header, tensor_offsets
from shape_audit.hub.texts import read_texts
from shape_audit.hub.tokenizer_files import tokenizer_file_names, tokenizer_sha256
from shape_audit.hub.weight_files import CONFIG_FILE
from shape_audit.hub.yaml_text import parse_yaml
from shape_audit.lazy import lazy_names

if TYPE_CHECKING:
    from shape_audit.hub.parallel_requests import side_by_side
    from shape_audit.hub.traffic import watched, watched_session, watching

__all__ = [
    "ATTENTION",
    "CONFIG_FILE",
    "DEFAULT_RETRIES",
    "EXPERTS",
    "Checkpoint",
    "FaultKind",
    "Inspection",
    "ReadOptions",
    "RepositoryFiles",
    "TensorHeader",
    "builtin_names",
    "checkpoint_of",
    "config_folder",
    "element_bits",
    "inspect_model",
    "is_offline",
    "model_at_hub",
    "model_named",
    "names_repository",
    "open_repository",
    "parse_model",
    "parse_yaml",
    "quiet_datasets",
    "quiet_downloads",
    "quiet_transformers",
    "raw_header",
    "read_checkpoint",
    "read_texts",
    "requested_code",
    "side_by_side",
    "tensor_offsets",
    "tokenizer_file_names",
    "tokenizer_folder",
    "tokenizer_sha256",
    "watched",
    "watched_session",
    "watching",
    "weights_folder",
    "with_retries",
    "without_requested_code",
]

__getattr__ = lazy_names(__name__, {"parallel_requests": "side_by_side", "traffic": "watched watched_session watching"})
