"""How many credit-control requests a second: `.venv/bin/python bench/gy.py --help` and docs/benchmarks.md."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.append(str(Path(__file__).resolve().parent.parent))
    from bench.load.measure import main

    sys.exit(main())
