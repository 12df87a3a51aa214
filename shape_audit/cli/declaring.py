"""Making commands of functions: options come from the specs they take, and what goes wrong ends in one place.

Typer builds a command from a function's signature. A parameter that is annotated with a `Spec` stands for all options
declared there, so that help, environment variables and pyproject keys follow from the declaration that Python callers
use too.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import MISSING
from functools import partial, wraps
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer

from shape_audit.cli.failures import failed
from shape_audit.cli.help_page import OUTPUT
from shape_audit.cli.precedence import given_elsewhere, naming_sources, spec_given
from shape_audit.errors import ExitCode, UsageError
from shape_audit.places import Url
from shape_audit.spec import DeclaredOption, Spec, declared_options

flag = partial(typer.Option, show_envvar=False)
"""An option of a command alone. All options have an environment variable, which the program's own help says once."""

output_flag = partial(flag, rich_help_panel=OUTPUT)
"""One that says where results go, or in which form."""

FORMAT = output_flag("--format", "-f", help="Report format.")
Format = Annotated[Literal["text", "json", "markdown"], FORMAT]
Output = Annotated[Path | None, output_flag("--output", "-o", metavar="FILE", help="Write the report to this file.")]
Retries = Annotated[int, flag(min=0, help="Retries after a transient network error.")]

_DEBUG = inspect.Parameter(
    "debug", inspect.Parameter.KEYWORD_ONLY, default=False,
    annotation=Annotated[bool, flag("--debug", help="Show tracebacks.")],
)  # fmt: skip
_CONTEXT = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)


def command(subject: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Make a typer command of a function that takes specs, gives an exit code, and lets errors through.

    It gets a `--debug` of its own. Every exception becomes one line on stderr and an exit code.

    Args:
        subject: the parameter whose value an error's line begins with, or a text to begin with.
    """

    def declare(function: Callable[..., int]) -> Callable[..., int]:
        hints = get_type_hints(function, include_extras=True)
        specs = {name: kind for name, kind in hints.items() if isinstance(kind, type) and issubclass(kind, Spec)}
        parameters = [*_expanded(function, hints, specs), _DEBUG]
        takes_debug, takes_context = "debug" in hints, "context" in hints
        if takes_debug:
            parameters.pop()
        if not takes_context:
            parameters.append(_CONTEXT)

        @wraps(function)
        def run(**given: Any) -> int:
            debug = given["debug"] if takes_debug else given.pop("debug", False)
            context = given["context"] if takes_context else given.pop("context", None)
            elsewhere = given_elsewhere(context) if context else {}  # none where it is called as a function
            try:
                for name, spec in specs.items():
                    words = {declared: given.pop(declared.name) for declared in _flags(spec)}
                    said = {option.name: word for option, word in words.items() if word is not None}
                    given[name] = spec_given(spec, said, elsewhere)
                return function(**given)
            except UsageError as error:
                error = naming_sources(error, context, elsewhere) if elsewhere else error
                return failed(error, subject=str(given.get(subject) or subject), debug=debug)
            except Exception as error:
                return failed(error, subject=str(given.get(subject) or subject), debug=debug)

        declared = [option for spec in specs.values() for option in _flags(spec)]
        run.stricter = {option.name: option.about.stricter for option in declared}  # type: ignore[attr-defined]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run

    return declare


def _expanded(
    function: Callable[..., int], hints: dict[str, Any], specs: dict[str, type[Spec]]
) -> Iterator[inspect.Parameter]:
    for name, parameter in inspect.signature(function).parameters.items():
        if name in specs:
            yield from map(_parameter, _flags(specs[name]))
        else:
            yield parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[name])


def _flags(spec: type[Spec]) -> Iterator[DeclaredOption]:
    return (declared for declared in declared_options(spec) if not declared.about.python_only)


def _parameter(declared: DeclaredOption) -> inspect.Parameter:
    about, default = declared.about, declared.default
    if isinstance(default, tuple):
        default = ",".join(default) or None
    kind, names = _typer_type(declared.kind), list(about.flags)
    if kind is bool and not names:
        dashed = declared.name.replace("_", "-")
        names = [f"--{dashed}/--no-{dashed}" if default else f"--{dashed}"]
    shown = f"{about.help}  [default: {about.default}]" if about.default else about.help
    details = flag(*names, metavar=about.metavar, help=shown, rich_help_panel=about.panel)
    return inspect.Parameter(
        declared.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if default is MISSING else default,
        annotation=Annotated[kind, details],
    )


def _typer_type(kind: Any) -> Any:
    """What typer parses words of a command line as; a list of texts is one word with commas."""
    parts = [part for part in get_args(kind) if part is not type(None)] if _is_union(kind) else [kind]
    optional = _is_union(kind) and type(None) in get_args(kind)
    if Url in parts:  # a path would lose one of the two slashes
        return str | None if optional else str
    first = Path if Path in parts else next((part for part in parts if part in (str, int, float, bool)), parts[0])
    if get_origin(first) is tuple:
        inside = get_args(first)[0]
        return list[Path] | None if inside is Path else str | None
    if first is object:
        first = str
    return first | None if optional else first


def _is_union(kind: Any) -> bool:
    return len(get_args(kind)) > 1 and get_origin(kind) not in (Literal, tuple, Annotated)


def exit_code(codes: set[ExitCode]) -> ExitCode:
    """Of several models: the first of these that occurred."""
    order = (ExitCode.INCOMPLETE, ExitCode.NOTHING_AUDITABLE, ExitCode.WRONG_USAGE, ExitCode.CLEAN)
    return next(code for code in order if code in codes)
