# /// script
# requires-python = ">=3.11"
# dependencies = ["shape-audit[measure,board]"]
# ///
"""shape-audit as a job of Hugging Face: uv installs what stands above, and the arguments are the program's.

hf jobs uv run --flavor h200 --secrets HF_TOKEN scripts/hf_job.py audit org/name
"""

import sys

from shape_audit.cli import program

if __name__ == "__main__":
    sys.exit(program())
