"""Audits in processes forked from one that has imported what they need: these may be killed, or share their windows."""

import multiprocessing

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([
    "shape_audit.auditing.resumable_pass", "shape_audit.interaction.profile", "accelerate",
    "transformers.models.llama.modeling_llama", "tests.auditing.test_resume", "tests.auditing.sharded_worker",
    "tests.auditing.planned_once",
])  # fmt: skip
