"""All that a board is made from, beside its records and the shipped facts: kept with it, so that it can be verified
where the manifest's files are not."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from pydantic import Field

from shape_audit.errors import CorruptFileError, IncompleteError, ShapeAuditError
from shape_audit.hub import model_named, parse_model
from shape_audit.interval import read_interval, shipped_interval
from shape_audit.leaderboard.manifest import Entry, Manifest
from shape_audit.places import is_url
from shape_audit.records import Frozen, Interval, ModelRef, ScoreRecord, read_small_file, write_text_atomically
from shape_audit.scores import (
    RESULT_SUFFIXES,
    KnownModels,
    at_equal_files,
    known_scores,
    read_scores,
    summary_of_skipped,
)
from shape_audit.storage import fetched

SOURCES = "sources.json"
NAMES_SHOWN = 20


class Sources(Frozen):
    """What a manifest means, its files read."""

    manifest: Manifest
    entries: list[Entry]
    interval: Interval
    imported: list[ScoreRecord]
    """From the manifest's result files; once the models are found, of those, under their labels."""
    passed_over: list[str] = Field(default_factory=list)
    """Result files, and scores of them, that are not used, and why."""
    posted: dict[str, list[ScoreRecord]] = Field(default_factory=dict)
    """Model on the board -> what stands in its repository, where that was looked at after its audit."""


def read_sources(manifest: Manifest, *, strict: bool = False) -> Sources:
    """Read the files that a manifest names.

    Raises:
        UsageError, CorruptFileError, IncompleteError: the manifest or one of them cannot be used; a result file that
            cannot is only passed over unless strict, but must exist.
    """
    entries = list(manifest.entries())
    read = read_scores([_here(file) for file in manifest.scores.files], strict=strict)
    return Sources(
        manifest=manifest,
        entries=entries,
        interval=read_interval(Path(manifest.interval)) if manifest.interval else shipped_interval(),
        imported=list(read.scores),
        passed_over=summary_of_skipped(read.skipped),
    )


def _claimed(scores: Sequence[ScoreRecord], entries: Sequence[Entry]) -> tuple[list[ScoreRecord], list[str]]:
    """The scores of the board's models, and which are of others."""
    models = KnownModels(_ref(entry) for entry in entries)
    claimed = [(score, models.claim(score)) for score in scores]
    strangers = sorted({score.model for score, found in claimed if found is None})
    passed_over = []
    if strangers:
        passed_over.append(f"scores of models that are not on the board: {names_shown(strangers)}")
    return [found[1] for _, found in claimed if found is not None], passed_over


def names_shown(names: Sequence[str]) -> str:
    """The first of many names, and how many more there are."""
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return f"{', '.join(names[:NAMES_SHOWN])}{more}"


def _here(file: str) -> str:
    """A result file or folder as the manifest names it, MODEL= and all, with its copy here in the place of a URL."""
    model, equals, place = ("", "", file) if is_url(file) else file.partition("=")
    return f"{model}{equals}{fetched(place, RESULT_SUFFIXES)}" if is_url(place) else file


def _ref(entry: Entry) -> ModelRef:
    """The model of an entry, as its name says, under its label too; of one that cannot be had here, by that name
    alone."""
    try:
        ref = parse_model(entry.name)
    except ShapeAuditError:
        return model_named(entry.name)
    return replace(ref, repo_id=entry.found.partition("@")[0], former=ref.repo_id) if entry.found else ref


def posted_now(entries: Sequence[Entry], retries: int) -> dict[str, list[ScoreRecord]]:
    """What stands in the repositories of models now, by their names on the board; those that cannot be had are not in
    it."""
    found = {}
    for entry in entries:
        with suppress(ShapeAuditError):
            known = known_scores(entry.name, posted=True, sources=False, retries=retries)
            found[entry.model] = [score for score in known.scores if score.provider == "posted"]
    return found


def as_found(
    sources: Sources,
    labels: Mapping[str, str],
    revisions: Mapping[str, str | None],
    failures: Mapping[str, str],
    answers: Mapping[str, str],
    posted: Mapping[str, list[ScoreRecord]],
) -> Sources:
    """The same, with the label and revision that each model was found at, why it failed, and the record that answers,
    by its name in the manifest, with posted scores, and of imported ones those of the models."""
    entries = [
        entry.model_copy(
            update={
                "found": found if (found := labels.get(entry.name)) != entry.model else None,
                "revision": revisions.get(entry.name),
                "failure": failures.get(entry.name, "").removeprefix(f"{entry.model}: ") or None,
                "answer": answers.get(entry.name),
            }
        )
        for entry in sources.entries
    ]
    imported, strangers = _claimed(sources.imported, entries)
    return sources.model_copy(
        update={
            "entries": entries,
            "imported": imported,
            "passed_over": [*sources.passed_over, *strangers],
            "posted": posted,
        }
    )


def with_runs_of_equal_files(sources: Sources, retries: int) -> Sources:
    """The same, runs of commits whose model files are those that a model was found with under its commit."""
    by_model: dict[str, list[ScoreRecord]] = {}
    for score in sources.imported:
        by_model.setdefault(score.model, []).append(score)
    for entry in sources.entries:
        if entry.revision is not None and entry.label in by_model:
            ref = _ref(entry).at(entry.revision)
            by_model[entry.label] = at_equal_files(by_model[entry.label], ref, retries=retries)
    return sources.model_copy(update={"imported": [score for scores in by_model.values() for score in scores]})


def labels_before(folder: Path) -> dict[str, str]:
    """Name in the manifest -> what the model was found to be called when the folder's board was built before."""
    with suppress(ShapeAuditError):  # there may be none yet
        return {entry.name: entry.found for entry in kept_sources(folder).entries if entry.found}
    return {}


def keep_sources(sources: Sources, folder: Path) -> None:
    """Write them into the board's folder.

    Raises:
        IncompleteError: they cannot be written.
    """
    path = folder / SOURCES
    try:
        write_text_atomically(path, sources.model_dump_json(indent=1) + "\n")
    except OSError as error:
        raise IncompleteError(f"{path}: could not be written ({error.strerror or error})") from error


def kept_sources(folder: Path) -> Sources:
    """What a folder's board was made from.

    Raises:
        IncompleteError: nothing is kept there.
        CorruptFileError: it cannot be understood.
    """
    path = folder / SOURCES
    try:
        return Sources.model_validate(json.loads(read_small_file(path)))
    except (ValueError, RecursionError) as error:
        raise CorruptFileError(f"{path}: not what a board was made from; build it again") from error
