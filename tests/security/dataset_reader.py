"""Texts and questions of the Hub, read in a process that stays, each with an empty cache and small limits.

Reads JSON lines {"name", "column", "seconds"} and answers {"read"} or {"error"}; questions have no column.
"""

import contextlib
import json
import os
import shutil
import sys

from huggingface_hub import HfFileSystem

from shape_audit.calibration import hub_dataset, read_text
from shape_audit.errors import ShapeAuditError
from shape_audit.scores import questions

hub_dataset.MOST_TRAFFIC = questions.MOST_TRAFFIC = 2**20

for line in sys.stdin:
    asked = json.loads(line)
    hub_dataset.MOST_SECONDS = questions.MOST_SECONDS = asked["seconds"]
    shutil.rmtree(os.environ["HF_HOME"], ignore_errors=True)
    HfFileSystem.clear_instance_cache()
    with contextlib.redirect_stdout(sys.stderr):
        try:
            if asked["name"] == questions.DATASET:
                answer = {"read": questions.read_questions(None).a_subject.total()}
            else:
                answer = {"read": read_text(asked["name"], column=asked["column"]).content.decode()}
        except ShapeAuditError as error:
            answer = {"error": str(error)}
    print(json.dumps(answer), flush=True)
