"""Which model a score is of. The rule is `ModelRef.is_same_model`; here stands what a result file's name can say beyond
it: a folder that was run under another path.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from shape_audit.hub import model_named
from shape_audit.records import ModelRef, ScoreRecord
from shape_audit.scores.posted_origin import current_name
from shape_audit.scores.run_settings import OF_REVISION

_EVERYBODYS = frozenset((
    "actor", "adapter", "average", "avg", "b", "base", "best", "bf", "bfloat", "bin", "bit", "checkpoint",
    "checkpoints", "ckpt", "ckpts", "consolidated", "converted", "current", "dpo", "ema", "ep", "epoch", "exp",
    "experiment", "export", "exported", "final", "fine", "finetune", "finetuned", "float", "folder", "fp", "full",
    "fused", "gguf", "global", "grpo", "hf", "huggingface", "initial", "instruct", "iter", "iteration", "iters", "k",
    "last", "latest", "llm", "lm", "lora", "m", "main", "master", "merge", "merged", "model", "models", "my", "new",
    "old", "out", "output", "outputs", "part", "phase", "policy", "pretrained", "rank", "result", "results", "rlhf",
    "run", "safetensors", "save", "saved", "seed", "sft", "shape", "snapshot", "stage", "step", "steps", "student",
    "temp", "test", "tmp", "token", "tokens", "train", "trained", "transformers", "trial", "tuned", "unsharded", "v",
    "version", "weights",
))  # fmt: skip
"""What training scripts call every run's folder: such a name tells no two models apart."""
_COMMIT = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
FINGERPRINT = 64
"""Digits of a folder's fingerprint; a commit has 40."""
_COMMIT_OR_START = re.compile("[0-9a-f]{7,64}")


def ref_of_score(score: ScoreRecord, *, is_here: bool = True) -> ModelRef:
    """The model that a score is of, as its source names it; with `is_here` a folder here of that name."""
    if score.provider == "published":
        return ModelRef("hub", score.model)
    named = model_named(
        _plain(score.model), revision=score.revision, subfolder=score.subfolder, variant=score.variant, is_here=is_here
    )
    if named.source == "folder" and len(score.revision or "") != FINGERPRINT:
        return replace(named, revision=None)  # a commit or branch tells nothing of a folder
    return named


def as_repository(ref: ModelRef) -> ModelRef:
    """The repository at its commit, of a folder in the Hub's cache; any other model as it is."""
    if ref.source != "folder" or ref.root is None:
        return ref
    named = model_named(str(ref.root.resolve()), subfolder=ref.subfolder, variant=ref.variant)
    return named if named.source == "hub" else ref


class KnownModels:
    """Models that scores may be of.

    Args:
        refs: the models; of two that are the same, the first.
    """

    def __init__(self, refs: Iterable[ModelRef]) -> None:
        self._hub: dict[tuple[str, str, str], list[ModelRef]] = {}
        self._others: dict[str, list[ModelRef]] = {}
        self._given: dict[ModelRef, ModelRef] = {}
        """Repository at its commit -> the model, or the folder of the Hub's cache, that it was given as."""
        for ref in refs:
            known = as_repository(ref)
            if known.source == "hub":
                self._given.setdefault(known, ref)
                for name in {current_name(known.repo_id), current_name(known.former or known.repo_id)}:
                    self._hub.setdefault((name, known.subfolder, known.variant or ""), []).append(known)
            if ref.source != "hub":
                for name in {_last(ref.repo_id), _last(str(ref.root or ref.repo_id))}:
                    self._others.setdefault(name, []).append(ref)

    def claim(self, score: ScoreRecord) -> tuple[ModelRef, ScoreRecord] | None:
        """The model that a score is of, and the score under that model's name; None where it is of none of them.

        A score of another revision than the model's is set apart.
        """
        named = ref_of_score(score)
        if named.source == "hub" and (found := self._claim_at_hub(score, named)):
            return found
        names = {_last(score.model), named.root.resolve().name if named.root else _last(named.repo_id)}
        for ref in [ref for name in sorted(names) for ref in self._others.get(name, [])]:
            if named.is_same_model(ref):
                return ref, _under(score, named, ref, by_name=False)
            if ref.source == "folder" and _is_by_name(score, named, ref):
                return ref, _under(score, named, ref, by_name=True)
        at_hub = ref_of_score(score, is_here=False)  # a folder of that name need not have been where it was run
        return self._claim_at_hub(score, at_hub) if at_hub.source == "hub" != named.source else None

    def _claim_at_hub(self, score: ScoreRecord, named: ModelRef) -> tuple[ModelRef, ScoreRecord] | None:
        refs = self._hub.get((current_name(named.repo_id), named.subfolder, named.variant or ""), [])
        ref = min(refs, key=lambda ref: (not _is_at(score, named, ref), ref.branch is not None), default=None)
        if ref is None:
            return None
        given, claimed = self._given[ref], _under(score, named, ref, by_name=False)
        return given, claimed.model_copy(update={"model": given.label})


def is_near(name: str, ref: ModelRef) -> bool:
    """Whether a name that is not the model's may have been meant for it: it ends alike, whoever's it is, as where the
    owner or the beginning of a repository's name was changed."""
    theirs, ours = _last(name.partition("+")[0]).casefold(), _last(ref.repo_id).casefold()
    return theirs == ours or (min(len(theirs), len(ours)) > 3 and (theirs.endswith(ours) or ours.endswith(theirs)))


def at_revision(score: ScoreRecord, revision: str | None) -> ScoreRecord:
    """The score, set apart if it is known to be of another commit than this one, and not if it is known to be of it."""
    if score.provider not in ("run", "import") or not _COMMIT.fullmatch(score.revision or "") or not revision:
        return score
    is_of_it = (score.revision or "").startswith(revision) or score.set_apart == f"{OF_REVISION}{revision:.40}"
    if is_of_it and (score.set_apart or "").startswith(OF_REVISION):
        return score.model_copy(update={"set_apart": None})
    if is_of_it or not _COMMIT_OR_START.fullmatch(revision):
        return score
    assert score.revision is not None
    if (len(revision) == FINGERPRINT) is not (len(score.revision) == FINGERPRINT):
        return score  # a commit tells nothing of a folder
    why = score.set_apart or f"of commit {score.revision[:12]}, not {revision[:12]}"
    return score.model_copy(update={"set_apart": why})


def _is_at(score: ScoreRecord, named: ModelRef, ref: ModelRef) -> bool:
    """Whether a score says that it is of the very revision that is meant: by its commit, or by its branch."""
    if ref.branch and (named.branch == ref.branch or score.set_apart == f"{OF_REVISION}{ref.branch:.40}"):
        return True
    return named.revision is not None and named.revision == ref.revision


def _under(score: ScoreRecord, named: ModelRef, ref: ModelRef, *, by_name: bool) -> ScoreRecord:
    changes: dict[str, object] = {"model": ref.label, "revision": score.revision or named.revision}
    if by_name:
        note = f"run as {score.model:.120}, taken for {ref} by its name"
        changes["notes"] = [*score.notes, note]
    theirs = named.branch if ref.source == "hub" else score.revision
    is_named = theirs not in (None, ref.branch, ref.revision) and not _COMMIT.fullmatch(theirs or "")
    ours = ref.branch[:40] if ref.branch else ref.revision[:12] if ref.revision else "the default one"
    if is_named and score.provider in ("run", "import"):
        changes["set_apart"] = f"{OF_REVISION}{theirs:.40}, not {ours}"
    elif ref.branch and named.revision is None and not score.set_apart:
        changes["set_apart"] = f"of the default branch, not {ours}"
    return at_revision(score.model_copy(update=changes), ref.revision)


def _is_by_name(score: ScoreRecord, named: ModelRef, ref: ModelRef) -> bool:
    """Whether a path that cannot be followed here means a folder: it ends as the folder's path does, or is of one name
    with it that few folders have."""
    if (named.subfolder, named.variant or "") != (ref.subfolder, ref.variant or ""):
        return False
    is_here = ref.root is not None and Path(_plain(score.model)).is_dir()  # a record does not say where its folder lay
    if named.source == "builtin" or len(score.revision or "") == FINGERPRINT or is_here:
        return False  # it says which model it was, and not this one
    theirs = _parts(score.model)
    ours = _parts(str(ref.root.resolve()) if ref.root is not None else ref.repo_id)
    if len(theirs) > 1 and ours[-len(theirs) :] == theirs:
        return True
    is_hub_name = named.source == "hub" and "/" in named.repo_id
    return not is_hub_name and theirs[-1:] == ours[-1:] and _is_distinctive(ours[-1])


def _is_distinctive(name: str) -> bool:
    return not all(part in _EVERYBODYS or part.isdigit() for part in re.findall(r"[^\W\d_]+|\d+", name.lower()))


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _parts(name: str) -> list[str]:
    return [part for part in re.split(r"[/\\]", _plain(name)) if part not in ("", ".")]


def _last(name: str) -> str:
    parts = _parts(name)
    return parts[-1] if parts else ""
