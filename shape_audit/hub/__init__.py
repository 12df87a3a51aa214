"""A model's name -> its files: config, tensor headers, tokenizer facts. Never weights.

read_checkpoint("org/name@revision") -> Checkpoint
inspect_model("./folder")            -> Inspection: the same and more, faults listed instead of raised
tokenizer_folder(checkpoint)         -> a folder from which AutoTokenizer loads
tokenizer_sha256(folder)             -> the hash that says two tokenizers are the same
"""

from shape_audit.hub.builtin_models import builtin_names
from shape_audit.hub.checkpoint import Checkpoint, read_checkpoint
from shape_audit.hub.downloads import download_files
from shape_audit.hub.inspection import Fault, FaultKind, Inspection, inspect_model
from shape_audit.hub.names import ModelName, is_offline, parse_model_name
from shape_audit.hub.retrying import DEFAULT_RETRIES, with_retries
from shape_audit.hub.safetensors_header import TensorHeader, element_bits, raw_header, tensor_offsets
from shape_audit.hub.texts import ModelTexts, read_texts, texts_of
from shape_audit.hub.tokenizer_files import tokenizer_folder, tokenizer_sha256
from shape_audit.hub.weight_files import CONFIG_FILE

__all__ = [
    "CONFIG_FILE",
    "DEFAULT_RETRIES",
    "Checkpoint",
    "Fault",
    "FaultKind",
    "Inspection",
    "ModelName",
    "ModelTexts",
    "TensorHeader",
    "builtin_names",
    "download_files",
    "element_bits",
    "inspect_model",
    "is_offline",
    "parse_model_name",
    "raw_header",
    "read_checkpoint",
    "read_texts",
    "tensor_offsets",
    "texts_of",
    "tokenizer_folder",
    "tokenizer_sha256",
    "with_retries",
]
