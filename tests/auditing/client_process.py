"""shape-audit in a process that stays: runs one command line after another, each with an empty Hub cache if asked.

The real program and the real clients, without paying for their import at every case. Reads JSON lines
{"arguments": [...], "wipe": true} and answers {"code", "out", "err", "seconds"}.
"""

import contextlib
import io
import json
import os
import shutil
import sys
import time
from pathlib import Path

from shape_audit.cli import main

for line in sys.stdin:
    command = json.loads(line)
    if command["wipe"]:
        shutil.rmtree(Path(os.environ["HF_HOME"]), ignore_errors=True)
    out, err, started = io.StringIO(), io.StringIO(), time.monotonic()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(command["arguments"])
    answer = {"code": code, "out": out.getvalue(), "err": err.getvalue(), "seconds": time.monotonic() - started}
    sys.__stdout__.write(json.dumps(answer) + "\n")
    sys.__stdout__.flush()
