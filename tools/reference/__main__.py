"""Write the generated reference: ``python -m tools.reference``.

The directory is ``docs/reference``. ``make specification`` runs this, and a test
compares the pages with the code.
"""

from __future__ import annotations

from tools.reference.pages import DIRECTORY, pages

if __name__ == "__main__":
    DIRECTORY.mkdir(exist_ok=True)
    for name, text in pages().items():
        (DIRECTORY / name).write_text(text)
