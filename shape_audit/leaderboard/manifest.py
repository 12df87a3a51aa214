"""`leaderboard.toml`: which models, which scores, how to measure. Whoever reads the same one gets the same board."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    ValidationError,
    create_model,
    field_validator,
    model_validator,
)

from shape_audit.auditing import AuditOptions
from shape_audit.errors import CorruptFileError, ShapeAuditError, UsageError, did_you_mean
from shape_audit.hub import parse_model
from shape_audit.linking import parse_params
from shape_audit.records import Order, parse_toml, read_small_file, sha256_of
from shape_audit.scores import LM_EVAL_LETTERS, LM_EVAL_LETTERS_CHAT, NAMED, OFFICIAL_COT, is_protocol
from shape_audit.shape import KnownModel, known_models
from shape_audit.shipped import DATA
from shape_audit.spec import declared_options
from shape_audit.storage import fetched

SHIPPED_MANIFEST = DATA / "leaderboard.toml"
MOST_MODELS = 100_000
HUB = "hf://"
"""Before a name that means a model on the Hub whatever folders there are."""

Name = Annotated[str, Field(pattern=r"\S")]
"""A text with something in it."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Selection(_Table):
    """Models of the shipped table; each condition left out lets all through."""

    names: tuple[str, ...] = ("*",)
    """Patterns of Hub names: `Qwen/*`."""
    family: tuple[str, ...] = ("*",)
    kind: Literal["base", "instruct", "any"] = "any"
    domain: tuple[str, ...] = ("*",)
    params: str | None = None
    """LOW:HIGH."""
    derived: StrictBool | None = None
    """Whether it is made from another model; null for both."""

    def chosen(self) -> list[str]:
        """Names, in the table's order."""
        try:
            low, high = parse_params(self.params) if self.params is not None else (0.0, float("inf"))
        except UsageError as error:
            raise UsageError(f"the manifest's select: {str(error).removeprefix('--')}") from error
        return [name for name, known in known_models().items() if self._holds(known, low, high)]

    def _holds(self, known: KnownModel, low: float, high: float) -> bool:
        return (
            _matches(known.repo_id, self.names)
            and _matches(known.family, self.family)
            and _matches(known.domain, self.domain)
            and self.kind in ("any", "base" if known.is_base else "instruct")
            and (self.derived is None or self.derived == bool(known.derived_from))
            and (self.params is None or (known.params is not None and low <= known.params <= high))
        )


class Group(_Table):
    """Models under one heading."""

    group: str = "Models"
    names: tuple[Name, ...] = ()
    """As for `audit`: org/name[@revision], a folder, builtin:NAME."""
    select: Selection | None = None
    exclude: tuple[str, ...] = ()
    """Patterns of names that `select` must not bring in."""

    @model_validator(mode="after")
    def _exclude_needs_select(self) -> Self:
        if self.exclude and self.select is None:
            raise ValueError("exclude is of what select brings in; take a name out of names instead")
        return self


class ScoreSources(_Table):
    """Where scores come from."""

    protocols: Annotated[tuple[Name, ...], Field(min_length=1)] = (
        LM_EVAL_LETTERS, LM_EVAL_LETTERS_CHAT, OFFICIAL_COT,
    )  # fmt: skip
    published: StrictBool = True
    posted: StrictBool = False
    files: tuple[Name, ...] = ()
    draws: Annotated[StrictInt, Field(ge=100, le=1_000_000)] = 2000

    @field_validator("protocols")
    @classmethod
    def _are_protocols(cls, protocols: tuple[str, ...]) -> tuple[str, ...]:
        for name in protocols:
            if not is_protocol(name):
                advice = did_you_mean(name, NAMED) or f"; there are {', '.join(NAMED)}"
                raise ValueError(f"no protocol {name}{advice}")
        return protocols


_DECLARED: dict[str, Any] = {
    declared.name: (declared.kind, declared.default)
    for declared in declared_options(AuditOptions)
    if declared.about.manifest
}
if TYPE_CHECKING:

    class Measurement(_Table):
        """How models are measured: the options of `audit` that are declared for manifests, by the same names."""

else:
    Measurement = create_model("Measurement", __base__=_Table, **_DECLARED)


class Entry(_Table):
    """One model of a board."""

    name: str
    """As the manifest has it, revision and all; with `hf://` what `select` has chosen, which is never a folder."""
    model: str
    """What it is called on the board: its Hub name, with the branch where one was asked for, a folder's own name, or
    builtin:NAME."""
    group: str
    found: str | None = None
    """What a build has found it to be called, where that is something else: it may have been renamed on the Hub."""
    revision: str | None = None
    """Commit or folder hash that a build has found it at; null before, and where nothing was audited."""
    failure: str | None = None
    """Why it could not be audited, or not wholly."""
    answer: str | None = None
    """record_sha256 of the record that has what the manifest asks for, on the text as the build found it."""

    @property
    def label(self) -> str:
        """What it is called in records, scores and the shipped table."""
        return self.found or self.model


class Manifest(_Table):
    """A whole manifest."""

    title: Name = "Shapes of small dense language models"
    order: Order = "-score"
    interval: Name | None = None
    models: Annotated[tuple[Group, ...], Field(min_length=1)]
    scores: ScoreSources = ScoreSources()
    measure: Measurement = Measurement()

    def entries(self) -> tuple[Entry, ...]:
        """The models: names as they stand, then what selections bring in.

        Raises:
            UsageError: a model listed twice or at two revisions, two of one name, no model at all, or absurdly many.
        """
        listed: dict[str, Entry] = {}
        for group in self.models:
            for name in group.names:
                entry = Entry(name=name, model=_model_of(name), group=group.group)
                other = listed.setdefault(entry.model.casefold(), entry)  # the Hub has no two that differ in case
                if other is entry:
                    continue
                if other.name == name:
                    raise UsageError(f"{name} is listed twice, under {other.group!r} and {group.group!r}")
                raise UsageError(f"{other.name} and {name} are both {entry.model}: a board has one row of each model")
        for group in self.models:
            for name in group.select.chosen() if group.select else ():
                if not _matches(name, group.exclude):
                    listed.setdefault(name.casefold(), Entry(name=f"{HUB}{name}", model=name, group=group.group))
        if not listed:
            raise UsageError("the manifest names no model, and its selections fit none of the shipped table")
        if len(listed) > MOST_MODELS:
            raise UsageError(f"the manifest names {len(listed):,} models; {MOST_MODELS:,} is the most")
        return tuple(listed.values())

    def audit_options(self, *, shape_only: bool = False, **common: Any) -> AuditOptions:
        """How each model is audited.

        Args:
            **common: options that the manifest does not know.

        Raises:
            UsageError: settings of [measure] that `audit` would refuse.
        """
        try:
            return self._audit_options(shape_only, common)
        except UsageError as error:
            raise UsageError(f"the manifest's [measure]: {error}") from error

    def _audit_options(self, shape_only: bool, common: dict[str, Any]) -> AuditOptions:
        given = {"posted": self.scores.posted, "interval": Path(self.interval) if self.interval else None, **common}
        measured = AuditOptions.of(**self.measure.model_dump(), **given)
        if not shape_only:
            return measured
        given.pop("device", None)
        return AuditOptions.of(shape_only=True, **given)

    @property
    def sha256(self) -> str:
        """Of what it says, not of how it is written."""
        return sha256_of(self.model_dump(mode="json"))


def _model_of(name: str) -> str:
    try:
        label = parse_model(name).label
    except ShapeAuditError:  # it will fail with its reason when it is audited
        return name
    return _spelling().get(label.casefold(), label)


@cache
def _spelling() -> dict[str, str]:
    """Names of the shipped table by their small letters: the Hub has no two that differ in case."""
    return {name.casefold(): name for name in known_models()}


def read_manifest(path: Path | str | None = None) -> Manifest:
    """Read a manifest, from a file or a URL; None for the one that ships.

    Raises:
        IncompleteError: the file cannot be read.
        CorruptFileError: not TOML.
        UsageError: a key that is not known (the nearest one is suggested), or a value that cannot be.
    """
    path = fetched(path, (".toml",)) if path else SHIPPED_MANIFEST
    try:
        content = parse_toml(read_small_file(path, limit=2**24).decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise CorruptFileError(f"{path}: not TOML: {error}") from error
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        raise UsageError(f"{path}: {_said(error)}") from error


def _said(error: ValidationError) -> str:
    """The first thing that is wrong, with the nearest key where one is not known."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] != "extra_forbidden":
        return f"{where}: {first['msg'].removeprefix('Value error, ')}"
    keys = _keys_beside(first["loc"])
    advice = did_you_mean(str(first["loc"][-1]), keys) or f"; there are: {', '.join(sorted(keys))}"
    return f"unknown key {where}{advice}"


def _keys_beside(location: tuple[Any, ...]) -> list[str]:
    """The keys of the table that an unknown key stands in."""
    table: type[BaseModel] = Manifest
    for part in location[:-1]:
        field = table.model_fields.get(str(part))
        if field is not None:
            inside = [field.annotation, *get_args(field.annotation)]
            table = next((kind for kind in inside if isinstance(kind, type) and issubclass(kind, BaseModel)), table)
    return list(table.model_fields)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
