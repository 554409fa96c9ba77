"""The command `ensnare` as `python -m ensnare`, which the jobs of the workflow call."""

import gc
import os
import sys

# objects that modules create at import live as long as the process; looking for garbage among them
# takes a tenth of the time that a job needs to start
gc.disable()

from ensnare.commands.main import main  # noqa: E402

gc.enable()
code = main()
sys.stdout.flush()
sys.stderr.flush()
os._exit(code)  # all files are closed; the shutdown of the interpreter takes another tenth
