"""Gets a fresh Slicer ready for the module's tests; run inside Slicer by workflows/slicer.yml.

    Slicer --no-splash --no-main-window --python-script .github/slicer_setup.py extension
    Slicer --no-splash --no-main-window --python-script .github/slicer_setup.py packages

Without ``--testing`` an exception would leave Slicer open until the job's time is over; with it,
Slicer installs nothing. So every step ends Slicer itself, whatever happens.
"""

import sys
import traceback
from pathlib import Path

import slicer.util

ROOT = Path(__file__).resolve().parents[1]


def extension():
    """Installs the PyTorch extension; the next start of Slicer finds it."""
    model = slicer.app.extensionsManagerModel()
    model.interactive = False
    if not model.installExtensionFromServer("PyTorch", False):
        raise RuntimeError("the PyTorch extension was not installed")


def packages():
    """Does what Setup, Install does, with nobody there to answer."""
    sys.path += [str(ROOT), str(ROOT / "MRNDiagnosis")]
    from MRNDiagnosisLib import dependencies

    dependencies.install(dependencies.slicer_tools(attended=False), lambda share, text: print(text))


def main(step):
    """Takes a step and ends Slicer: 0 if it went well."""
    status = 1
    try:
        {"extension": extension, "packages": packages}[step]()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        slicer.util.exit(status)


if __name__ == "__main__":
    main(sys.argv[-1])
