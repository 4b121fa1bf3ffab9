"""`python -m rankkit`, the same as the command `rankkit`."""

import sys

from rankkit.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
