"""The docstrings that follow the attributes of a class, which Python itself does not keep."""

from __future__ import annotations

import ast
import inspect
import textwrap
from itertools import pairwise


def attribute_docstrings(cls: type) -> dict[str, str]:
    """Attribute -> its docstring, from the source of the class and of those it inherits from."""
    found: dict[str, str] = {}
    for each in reversed([each for each in cls.__mro__ if each.__module__.startswith(__package__)]):
        definition = ast.parse(textwrap.dedent(inspect.getsource(each))).body[0]
        assert isinstance(definition, ast.ClassDef)
        for declared, after in pairwise(definition.body):
            match declared, after:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                    found[name] = inspect.cleandoc(text)
    return found
