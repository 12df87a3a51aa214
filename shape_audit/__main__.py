"""`python -m shape_audit`: what accelerate launch and torchrun start."""

from shape_audit.cli import program

if __name__ == "__main__":
    program()
