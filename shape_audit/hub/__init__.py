"""A model's name -> its files: config, tensor headers, tokenizer facts. Never weights.

read_checkpoint("org/name@revision") -> Checkpoint
tokenizer_folder(checkpoint)         -> a folder from which AutoTokenizer loads
tokenizer_sha256(folder)             -> the hash that says two tokenizers are the same
"""

from shape_audit.hub.builtin_models import builtin_names
from shape_audit.hub.checkpoint import Checkpoint, read_checkpoint
from shape_audit.hub.downloads import download_files
from shape_audit.hub.names import ModelName, parse_model_name
from shape_audit.hub.retrying import DEFAULT_RETRIES, with_retries
from shape_audit.hub.safetensors_header import TensorHeader, element_bits
from shape_audit.hub.tokenizer_files import tokenizer_folder, tokenizer_sha256

__all__ = [
    "DEFAULT_RETRIES",
    "Checkpoint",
    "ModelName",
    "TensorHeader",
    "builtin_names",
    "download_files",
    "element_bits",
    "parse_model_name",
    "read_checkpoint",
    "tokenizer_folder",
    "tokenizer_sha256",
    "with_retries",
]
