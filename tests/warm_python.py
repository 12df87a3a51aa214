"""What is started in the place of Python: has its work done by a process forked from a warm one, on its own streams.

python -IS tests/warm_python.py ADDRESS [ARGUMENTS]
"""

import json
import os
import socket
import sys

with socket.socket(socket.AF_UNIX) as warm:
    warm.connect(sys.argv[1])
    asked = {"arguments": sys.argv[2:], "folder": os.getcwd(), "environment": dict(os.environ)}
    socket.send_fds(warm, [json.dumps(asked).encode(), b"\n"], [0, 1, 2])
    for stream in (0, 1, 2):
        os.close(stream)  # whoever reads them is to see when the other process has ended
    warm.recv(1)  # nothing comes: it ends
