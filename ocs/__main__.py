"""`python -m ocs`: the same as the `ocs` command."""

import sys

from ocs.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
