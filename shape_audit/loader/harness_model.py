"""lm-eval's `hf` model, with what it loads loaded here, and answers kept in a form that cannot execute."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lm_eval.models.huggingface import HFLM

from shape_audit.loader.kept_answers import KeptAnswers
from shape_audit.loader.pretrained import config_in, model_in, tokenizer_in


class HarnessModel(HFLM):  # type: ignore[misc]
    """The model of two folders.

    What lm-eval says of a model goes by the names it is given; what it computes with comes from the folders.
    """

    def __init__(self, weights: Path, tokenizer_folder: Path, **settings: Any) -> None:
        """
        Args:
            weights: a folder with config and weights.
            tokenizer_folder: a folder with the tokenizer's files.
            settings: of HFLM: pretrained, revision, dtype, device, batch_size ...
        """
        self._weights, self._tokenizer_folder = weights, tokenizer_folder
        self._kept: KeptAnswers | None = None
        super().__init__(**settings)

    def keep_answers(self, kept: KeptAnswers) -> None:
        """Take answers from there, and add those that are not there."""
        self._kept = kept
        self.set_cache_hook(kept)

    def loglikelihood(self, requests: list[Any], disable_tqdm: bool = False) -> list[Any]:
        return self._answered("loglikelihood", requests, disable_tqdm)

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[Any]:
        return self._answered("generate_until", requests, disable_tqdm)

    def _answered(self, kind: str, requests: list[Any], disable_tqdm: bool) -> list[Any]:
        """The answers to all requests, of which the model is asked only for those that are not kept."""
        ask = getattr(super(), kind)
        kept = [self._kept.get(kind, request.args) if self._kept else None for request in requests]
        left = [request for request, answer in zip(requests, kept, strict=True) if answer is None]
        new = ask(left, disable_tqdm=disable_tqdm) if left else []
        if self._kept:
            for request, answer in zip(left, new, strict=True):
                self._kept.add_partial(kind, request.args, answer)
        rest = iter(new)
        return [next(rest) if answer is None else answer for answer in kept]

    def _get_config(self, pretrained: str, **settings: Any) -> None:
        self._config = config_in(self._weights)

    def _create_tokenizer(self, pretrained: Any, tokenizer: Any, **settings: Any) -> None:
        self.tokenizer = tokenizer_in(self._tokenizer_folder)

    def _create_model(self, pretrained: str, dtype: Any = "auto", variant: str | None = None, **settings: Any) -> None:
        placed = self._get_accelerate_args(parallelize=False, device_map=None, gpus=settings.get("gpus"))
        self._model, _ = model_in(self._weights, self.AUTO_MODEL_CLASS, dtype=dtype, variant=variant, **placed)
