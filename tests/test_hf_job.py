"""The script for Hugging Face Jobs: what uv reads of its head, and that it is the program."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import metadata
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "hf_job.py"


def test_its_head_names_extras_that_there_are_and_its_arguments_are_the_programs() -> None:
    text = SCRIPT.read_text(encoding="utf-8")
    head = re.search(r"^# /// script$\n(?P<lines>(?:^# ?.*$\n)+?)^# ///$", text, re.MULTILINE)
    assert head is not None
    asked = tomllib.loads(re.sub("^# ?", "", head["lines"], flags=re.MULTILINE))
    (dependency,) = asked["dependencies"]
    name, extras = re.fullmatch(r"(.+)\[(.+)\]", dependency).groups()
    known = metadata(name)
    assert set(extras.split(",")) <= set(known.get_all("Provides-Extra"))
    assert asked["requires-python"] == known["Requires-Python"]
    done = subprocess.run([sys.executable, SCRIPT, "rules", "--nonsense"], capture_output=True, text=True)
    assert done.returncode == 4 and "nonsense" in done.stderr
