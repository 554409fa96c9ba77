"""`python -m ensnare`, which jobs of the workflow call."""

import gc
import os
import sys

# what modules make while they are imported stays: to look for garbage among it takes a tenth of
# the time in which a job starts
gc.disable()

from ensnare.commands.main import main  # noqa: E402

gc.enable()
code = main()
sys.stdout.flush()
sys.stderr.flush()
os._exit(code)  # all is closed; to take down the interpreter takes another tenth
