"""Files of others -> objects of transformers, datasets and lm-eval: only here is called what loads, and no code is run.

config_in(folder), tokenizer_in(folder)       -> as transformers' auto classes make them of the folder's own files
model_in(folder, ...)                         -> (model, loading info)
model_of(config, ...)                         -> a model with random weights, or on the meta device
rows_of_dataset(name, ...), dataset_configs(name, ...), dataset_splits(name, ...)
HarnessModel(...)                             -> lm-eval's model, loaded by the above    (imports lm_eval)
in_empty_folder()                             while open, nothing that lies beside the user is found
only_own_files()                              while open, a dataset is the files of its own repository
without_hub_kernels()                         while open, transformers fetches no kernel of the Hub
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shape_audit.lazy import lazy_names
from shape_audit.loader.dataset_rows import dataset_configs, dataset_splits, rows_of_dataset
from shape_audit.loader.empty_folder import in_empty_folder
from shape_audit.loader.hub_kernels import without_hub_kernels
from shape_audit.loader.kept_answers import KeptAnswers
from shape_audit.loader.own_files import only_own_files
from shape_audit.loader.pretrained import config_in, model_in, model_of, tokenizer_in

if TYPE_CHECKING:
    from shape_audit.loader.harness_model import HarnessModel

__all__ = [
    "HarnessModel",
    "KeptAnswers",
    "config_in",
    "dataset_configs",
    "dataset_splits",
    "in_empty_folder",
    "model_in",
    "model_of",
    "only_own_files",
    "rows_of_dataset",
    "tokenizer_in",
    "without_hub_kernels",
]

__getattr__ = lazy_names(__name__, {"harness_model": "HarnessModel"})
