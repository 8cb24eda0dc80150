"""`python -m adapter.cli` is `silta`."""

import sys

from adapter.cli import main

sys.exit(main())
