import subprocess
import sys
import time


def test_the_clock_of_a_process_starts_with_it() -> None:
    script = "from shape_audit.cli.process_clock import process_seconds; print(process_seconds())"
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    took = time.perf_counter() - started
    assert 0 <= float(done.stdout) <= took + 0.02  # the system counts in hundredths
    assert float(done.stdout) > 0 or sys.platform != "linux"
