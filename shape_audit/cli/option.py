"""How commands declare an option: as typer does, but without naming its environment variable in every help line.

All options have one, SHAPE_AUDIT_<COMMAND>_<OPTION>; the program's own help says so once.
"""

from functools import partial

import typer

option = partial(typer.Option, show_envvar=False)
