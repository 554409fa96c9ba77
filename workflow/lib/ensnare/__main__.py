"""`python -m ensnare`."""

import sys

from ensnare.cli import main

sys.exit(main())
