"""All that a board is made from, beside its records and the shipped facts: kept with it, so that it can be verified
where the manifest's files are not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from shape_audit.errors import CorruptFileError, IncompleteError
from shape_audit.interval import read_interval, shipped_interval
from shape_audit.leaderboard.manifest import Entry, Manifest
from shape_audit.records import Frozen, Interval, ScoreRecord, read_small_file, write_text_atomically
from shape_audit.scores import read_lm_eval

SOURCES = "sources.json"


class Sources(Frozen):
    """What a manifest means, its files read."""

    manifest: Manifest
    entries: list[Entry]
    interval: Interval
    imported: list[ScoreRecord]
    """From the manifest's result files of lm-eval."""


def read_sources(manifest: Manifest) -> Sources:
    """Read the files that a manifest names.

    Raises:
        UsageError, CorruptFileError, IncompleteError: the manifest or one of them cannot be used.
    """
    return Sources(
        manifest=manifest,
        entries=list(manifest.entries()),
        interval=read_interval(Path(manifest.interval)) if manifest.interval else shipped_interval(),
        imported=[score for path in manifest.scores.files for score in read_lm_eval(Path(path))],
    )


def as_found(sources: Sources, revisions: Mapping[str, str | None], failures: Mapping[str, str]) -> Sources:
    """The same, with the revision that each model was found at, and why it failed, by its name in the manifest."""
    entries = [
        entry.model_copy(update={"revision": revisions.get(entry.name), "failure": failures.get(entry.name)})
        for entry in sources.entries
    ]
    return sources.model_copy(update={"entries": entries})


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
