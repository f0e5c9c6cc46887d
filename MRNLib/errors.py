"""What a user can cause and how it is said: one to three lines, never a traceback."""

from __future__ import annotations

from pathlib import Path


class MrnError(Exception):
    """Base of every error this library raises on purpose."""


class InputError(MrnError):
    """An input that cannot be used as it is.

    Args:
        found: What was found, as a sentence.
        file: The file or folder it was found in.
        expected: What was expected instead.
        remedy: What the user can do about it.

    The text has one to three lines: what and where, what was expected, what to do.
    """

    def __init__(
        self,
        found: str,
        *,
        file: str | Path | None = None,
        expected: str | None = None,
        remedy: str | None = None,
    ) -> None:
        self.found = found
        self.file = None if file is None else str(file)
        self.expected = expected
        self.remedy = remedy
        super().__init__(found)

    def __str__(self) -> str:
        lines = [self.found if self.file is None else f"{self.file}: {self.found}"]
        if self.expected:
            lines.append(f"Expected: {self.expected}")
        if self.remedy:
            lines.append(f"What to do: {self.remedy}")
        return "\n".join(lines)


class BundleError(InputError):
    """A model bundle that is missing, damaged, or not what its manifest says."""


class Cancelled(MrnError):
    """The user cancelled; raised out of a progress callback and passed through unchanged."""


def in_one_line(text: str) -> str:
    """The lines of an error as sentences of one line, for lists and tables of many cases."""
    said = ""
    for line in filter(None, (" ".join(line.split()) for line in text.splitlines())):
        stop = "." if said and said[-1] not in ".,;:!?" and line[0].isupper() else ""
        said += f"{stop} {line}" if said else line
    return said
