"""What the tests of the panel put in Slicer's place: a parameter node, a runner, widgets."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from MRNLib.parameters import DEFAULT_BUNDLE


@dataclass
class Chosen:
    """The fields of the parameter node; calls back when one is set, as the node does."""

    qsm: Any = None
    nm: Any = None
    t1: Any = None
    qsm_segmentation: Any = None
    nm_segmentation: Any = None
    use_nm: bool = True
    use_qsm1: bool = True
    use_qsm2: bool = True
    use_qsm3: bool = True
    bundle: str = DEFAULT_BUNDLE
    folds: str = ""
    margin_mm: float = -1.0
    device: str = "auto"
    precision: str = "fp32"
    tta: bool = False
    exact_segmentation: bool = False
    jitter: bool = True
    swap_modalities: bool = False
    swap_sides: bool = False
    split_merged: bool = False
    modified: Callable[[], None] = field(default=lambda: None, repr=False)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name != "modified" and "modified" in self.__dict__:
            self.modified()


class FakeRunner:
    """Keeps what was to be started; the test says what comes out of it."""

    def __init__(self) -> None:
        self.started: list[list[str]] = []
        self.killed = 0

    def __call__(self) -> FakeRunner:
        return self

    def launch(self, args, on_line, on_end) -> FakeRunner:
        self.started.append(list(args))
        self.on_line, self.on_end = on_line, on_end
        return self

    def kill_tree(self) -> None:
        self.killed += 1

    def wait(self, timeout: float) -> None:
        pass

    def option(self, name: str) -> str | None:
        """The last started command's option."""
        found = [arg.partition("=")[2] for arg in self.started[-1] if arg.startswith(f"--{name}=")]
        return found[0] if found else None

    def event(self, name: str, **values: Any) -> None:
        self.on_line(f"@mrn {json.dumps({'event': name, **values})}")

    def finish(self, code: int = 0, **result: Any) -> None:
        if code == 0:
            self.event("result", **result)
        self.on_end(code)

    def finish_with(self, files: dict[str, Path], **result: Any) -> None:
        """Ends well, with copies of ``files`` in the folder for results."""
        out = Path(self.option("out"))
        out.mkdir(parents=True, exist_ok=True)
        for name, path in files.items():
            shutil.copy(path, out / name)
        self.finish(files={name: str(out / name) for name in files}, **result)
