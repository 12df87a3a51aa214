"""Declaring an option once: its name, type, default, help and bounds, for everything that takes options; open to all.

A `Spec` is a frozen dataclass whose fields carry an `Option`. Python callers build it by keyword; the command line
makes flags of its fields (`cli.declaring`), and with them the environment variables and pyproject keys that typer
derives from flags; a leaderboard's manifest takes the fields marked `manifest`. Neither typer nor pydantic is needed
for that: both cost a program that only reads a shape more than the rest of its start. Typer parses a command line's
words; `Spec` checks what any caller gives, so that there is one message for one mistake.
"""

from __future__ import annotations

import math
import os
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, Union, get_args, get_origin, get_type_hints

from shape_audit.errors import UsageError, did_you_mean
from shape_audit.places import Url, is_url, place_of


@dataclass(frozen=True)
class Option:
    """What is known of an option beside its name, type and default.

    Attributes:
        help: one line for the command line and the documentation.
        metavar: what stands for its value in help.
        default: how help shows a default that is worked out later.
        at_least: its smallest value.
        flags: as typer takes them, where they are not the field's name with dashes.
        panel: the heading it stands under in help.
        manifest: whether a leaderboard's manifest may set it in [measure].
        python_only: whether the command line does without it, since it decides for its users.
        stricter: values that only make a gate stricter, which is what a settings file may give that nobody named.
    """

    help: str
    metavar: str | None = None
    default: str | None = None
    at_least: float | None = None
    flags: tuple[str, ...] = ()
    panel: str | None = None
    manifest: bool = False
    python_only: bool = False
    stricter: tuple[Any, ...] = ()


@dataclass(frozen=True, eq=False)
class DeclaredOption:
    """An option of a spec: a field that is annotated with an `Option`."""

    name: str
    kind: Any
    default: Any
    about: Option

    @property
    def flag(self) -> str:
        """As a user would write it."""
        named = (flag.partition("/")[0] for flag in self.about.flags if flag.startswith("--"))
        return next(named, "--" + self.name.replace("_", "-"))


class Spec:
    """Options that belong together. Subclasses are frozen dataclasses, and may hold other specs as fields."""

    def __post_init__(self) -> None:
        for declared in _own_options(type(self)):
            object.__setattr__(self, declared.name, checked(declared, getattr(self, declared.name)))
        self.check()

    def check(self) -> None:
        """Raises UsageError where single options are fine, and are not a valid combination."""

    @classmethod
    def of(cls, caller: str = "", /, **given: Any) -> Self:
        """A spec, and the specs inside it, from options by their own names, whichever spec they stand in.

        Args:
            caller: for messages: `audit()`.

        Raises:
            UsageError: an option that is not known (the nearest one is suggested), or has an impossible value.
        """
        return _made(cls, {}, given, caller or cls.__name__)

    @classmethod
    def given(cls, options: Self | None, changes: Mapping[str, Any], caller: str) -> Self:
        """What a function of the public API was given: all options at once, or single ones by name.

        Raises:
            UsageError: both, or as `of` says.
        """
        if options is None:
            return cls.of(caller, **changes)
        if changes:
            raise UsageError(f"{caller}: give either options or single options, not both")
        return options

    def but(self, **changes: Any) -> Self:
        """The same with other values of some options, by their own names."""
        return _made(type(self), dict(_values(self)), changes, type(self).__name__)


S = TypeVar("S", bound=Spec)


def declared_options(spec: type[Spec]) -> Iterator[DeclaredOption]:
    """Every option of a spec and of the specs inside it, in the order in which they are written."""
    own = {declared.name: declared for declared in _own_options(spec)}
    for name, inner in _fields(spec).items():
        if name in own:
            yield own[name]
        elif inner is not None:
            yield from declared_options(inner)


def checked(declared: DeclaredOption, value: Any) -> Any:
    """The value as the option's type says: a str where a path is wanted becomes one, a list a tuple.

    Raises:
        UsageError: it cannot be one of this type, or is below its bound.
    """
    kinds = _alternatives(declared.kind)
    if value is None and type(None) in kinds:
        return None
    kinds = [kind for kind in kinds if kind is not type(None)]
    for kind in kinds:
        found = _as(value, kind)
        if found is _UNFIT:
            continue
        if declared.about.at_least is not None and not found >= declared.about.at_least:
            raise UsageError(f"{declared.flag} must be at least {declared.about.at_least:g}, not {value}")
        return found
    raise UsageError(f"{declared.flag} must be {' or '.join(map(_described, kinds))}, not {_shown(value)}")


_hints: Callable[..., dict[str, Any]] = cache(get_type_hints)
"""Of a spec; to resolve them takes longer than all else that is done with its options."""


def _own_options(spec: Any) -> tuple[DeclaredOption, ...]:
    hints = _hints(spec, include_extras=True)
    found = []
    for each in fields(spec):
        hint = hints[each.name]
        about = next((part for part in getattr(hint, "__metadata__", ()) if isinstance(part, Option)), None)
        if about is not None:
            found.append(DeclaredOption(each.name, get_args(hint)[0], each.default, about))
    return tuple(found)


def _fields(spec: Any) -> dict[str, type[Spec] | None]:
    """Field -> the spec that it holds always; None of other fields."""
    hints = _hints(spec)
    kinds = {each.name: hints[each.name] for each in fields(spec)}
    return {name: kind if isinstance(kind, type) and issubclass(kind, Spec) else None for name, kind in kinds.items()}


def _values(spec: Spec) -> Iterator[tuple[str, Any]]:
    for name, inner in _fields(type(spec)).items():
        value = getattr(spec, name)
        if inner is None:
            yield name, value
        else:
            yield from _values(value)


def _made(spec: type[S], current: Mapping[str, Any], given: Mapping[str, Any], caller: str) -> S:
    known = _names(spec)
    for name in given.keys() - known:
        raise UsageError(f"{caller}: there is no option {name}{did_you_mean(name, known)}")
    return _built(spec, {**current, **given}, caller)


def _built(spec: type[S], values: Mapping[str, Any], caller: str) -> S:
    found = {}
    for name, inner in _fields(spec).items():
        if name in values:
            found[name] = values[name]
        elif inner is not None:
            found[name] = _built(inner, values, caller)
    try:
        return spec(**found)
    except TypeError as error:
        raise UsageError(f"{caller}: {str(error).partition('() ')[2] or error}") from error


def _names(spec: type[Spec]) -> set[str]:
    names: set[str] = set()
    for name, inner in _fields(spec).items():
        names |= {name} | (_names(inner) if inner is not None else set())
    return names


_UNFIT = object()


def _as(value: Any, kind: Any) -> Any:
    """The value as one of this kind; `_UNFIT` where it cannot be."""
    origin, inside = get_origin(kind), get_args(kind)
    if origin is Literal:
        return value if value in inside else _UNFIT
    if kind is int:
        is_whole = isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1
        return int(value) if is_whole else _UNFIT
    if kind is float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        return float(value) if is_number else _UNFIT
    if kind is Url:
        return place_of(value) if isinstance(value, Url) or is_url(value) else _UNFIT
    if kind is Path:
        return Path(value).expanduser() if isinstance(value, str | os.PathLike) and os.fspath(value) else _UNFIT
    if origin is tuple:
        return _members(value, inside[0])
    return value if isinstance(value, origin or kind) else _UNFIT


def _members(value: Any, kind: Any) -> Any:
    """A tuple; one text may hold several with commas between them, one path is a tuple of one."""
    if isinstance(value, str) and kind is str:
        value = [part.strip() for part in value.split(",") if part.strip()]
    members = [value] if isinstance(value, str | os.PathLike) else value
    if not isinstance(members, Sequence):
        return _UNFIT
    found = tuple(_as(member, kind) for member in members)
    return _UNFIT if _UNFIT in found else found


def _alternatives(kind: Any) -> list[Any]:
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    return list(get_args(kind)) if get_origin(kind) in (Union, types.UnionType) else [kind]


def _described(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(str, get_args(kind)))}"
    names = {
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        str: "a text",
        Path: "a path",
        Url: "a URL",
    }
    return "a list" if get_origin(kind) is tuple else names.get(kind, getattr(kind, "__name__", str(kind)))


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
