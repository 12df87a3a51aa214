"""A Space of Hugging Face that serves shape-audit's page: docs/how-to/app.md. Its variables are the options."""

import sys

from shape_audit.cli import program

if __name__ == "__main__":
    sys.argv[1:] = ["app", "--host", "0.0.0.0"]
    program()
