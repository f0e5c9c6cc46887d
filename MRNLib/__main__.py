"""``mrn`` and ``python -m MRNLib``."""

from __future__ import annotations

import os
import sys
import warnings


def main() -> None:
    """Runs the command line; errors a user can cause end with exit code 2 and their text alone."""
    # Libraries' notes to developers (deprecations) would bury what a user has to read.
    warnings.simplefilter("ignore")
    os.environ.setdefault("PYTHONWARNINGS", "ignore")  # in worker processes too
    from MRNLib.cli.app import run

    sys.exit(run())


if __name__ == "__main__":
    main()
