"""Imported by the process that forks audits (tests/auditing/warm_forks.py): what each of them would work out first.

The memory of an audit is planned as the audit itself would plan it, so that tables, regular expressions and forms of
records are there. Nothing is computed: whoever has gone backwards through a model may not fork where there are GPUs.
"""

import gc

import torch

import shape_audit

torch.set_num_threads(1)
shape_audit.plan_memory("builtin:bytes-1m", windows=8, seq_len=16, device="cpu")
gc.freeze()  # or every collection in an audit would copy all pages
