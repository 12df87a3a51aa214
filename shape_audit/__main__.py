"""`python -m shape_audit`: what accelerate launch and torchrun start."""

import sys

from shape_audit.cli import main

if __name__ == "__main__":
    sys.exit(main())
