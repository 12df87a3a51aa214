"""`python -m shape_audit`: what accelerate launch and torchrun start.

Python puts the working directory first on the import path for that, where a `rich.py` of a checkout would be run. It is
taken off here, before anything of another package is imported. What this cannot prevent: that a `shape_audit/` of the
checkout is started instead of this one, or a file there named as a module of Python's own that was needed so far.
The command `shape-audit` and `python -P -m shape_audit` never look there; nor do the processes that are started here.
"""

import os
import sys

if __name__ == "__main__":
    try:
        if not sys.flags.safe_path and sys.path[:1] == [os.getcwd()]:
            del sys.path[0]
    except OSError:  # the folder is gone, and so is not on the path
        pass
    from shape_audit.cli import program

    program()
