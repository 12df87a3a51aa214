"""Options of a settings file or a variable beside those of the command line: the command line comes first."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import typer

from shape_audit.cli.settings import SETTINGS
from shape_audit.cli.sink import note
from shape_audit.errors import UsageError
from shape_audit.parallel import is_launched
from shape_audit.spec import Spec, declared_options

S = TypeVar("S", bound=Spec)


def given_elsewhere(context: typer.Context) -> dict[str, str]:
    """Parameter -> the settings file or variable that its value is from, of those not from the command line."""
    found = {}
    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "DEFAULT_MAP":
            found[name] = context.meta[SETTINGS].shown
        elif source is not None and source.name == "ENVIRONMENT":
            found[name] = f"{context.auto_envvar_prefix}_{name.upper()}"
    return found


def spec_given(spec: type[S], said: Mapping[str, Any], elsewhere: Mapping[str, str]) -> S:
    """The spec of all that was said; without what was said elsewhere and contradicts the command line.

    A default in a file is no wish for this run. Only that is left out, with a line about it, which no command line
    could take back: options whose default is none. The others decide what is measured, and can be said otherwise.

    Raises:
        UsageError: values that are not a valid combination still, or by themselves.
    """
    try:
        return spec.of(**said)
    except UsageError as error:
        default = {option.name: option.default for option in declared_options(spec)}
        lower = {name for name in said if name in elsewhere}
        moot = [name for name in said if name in lower and default[name] in (None, False)]
        try:
            spec.of(**{name: value for name, value in said.items() if name in lower})
            kept = {name: value for name, value in said.items() if name not in moot}
            found = spec.of(**kept)
        except UsageError:
            raise error from None
        for name in (*moot, *moot):  # twice: one may need another one that comes later
            try:
                found = spec.of(**kept, **{name: said[name]} if name not in kept else {})
                kept[name] = said[name]
            except UsageError:
                continue
        if not is_launched():  # else the launcher has said so
            left = _in_words({name: elsewhere[name] for name in moot if name not in kept})
            note(f"shape-audit: not in effect beside what the command line says: {left}")
        return found


def naming_sources(error: UsageError, context: typer.Context, elsewhere: Mapping[str, str]) -> UsageError:
    """The error; where it speaks of options that were not said on the command line, with a word on who said them."""
    flags = {parameter.name: parameter.opts for parameter in context.command.params}
    named = {
        name: source
        for name, source in elsewhere.items()
        if any(re.search(rf"{re.escape(flag)}(?![\w-])", str(error)) for flag in flags[name])
    }
    return UsageError(f"{error} ({_in_words(named)})") if named else error


def _in_words(sources: Mapping[str, str]) -> str:
    """`windows, tolerance from settings.toml`"""
    names: dict[str, list[str]] = {}
    for name, source in sources.items():
        names.setdefault(source, []).append(name.replace("_", "-"))
    return "; ".join(f"{', '.join(of_one)} from {source}" for source, of_one in names.items())
