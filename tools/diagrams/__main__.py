"""Write the diagrams of the docs: ``python -m tools.diagrams``.

``make specification`` runs this, and a test compares the pictures with the code.
"""

from __future__ import annotations

from tools.diagrams.pictures import DIRECTORY, pictures

if __name__ == "__main__":
    DIRECTORY.mkdir(exist_ok=True)
    for name, text in pictures().items():
        (DIRECTORY / name).write_text(text)
