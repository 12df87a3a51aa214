"""One process of several: runs the audits named in a JSON file, and the first process writes what they found.

Started by tests/auditing/test_processes.py as real processes that meet over gloo; not a test itself.
"""

import json
import sys
from pathlib import Path

import shape_audit
from shape_audit.parallel import processes_of_run

if __name__ == "__main__":
    jobs, output = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
    records = [shape_audit.audit(job.pop("model"), **job) for job in jobs]
    if processes_of_run().is_first:
        output.write_text(json.dumps([record.model_dump(mode="json") for record in records]))
