"""Slicer's translation of texts; English where there is no Slicer, as in other front ends.

Import it as ``_`` and call it with one literal: Slicer's tool for translators looks for
``_("...")``, and the file that calls is the text's context. Call it when the text is needed, never
while a file is loaded; fill in values with ``str.format`` and names, which a translation repeats.
"""

from __future__ import annotations

__all__ = ["tr"]

try:
    from slicer.i18n import tr
except ImportError:

    def tr(text: str) -> str:
        """The text as it is."""
        return text
