"""The diagrams in the docs are those of the code."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

from tools.diagrams.pictures import DIRECTORY, PICTURES, pictures


def test_the_diagrams_are_those_of_the_code() -> None:
    for name, text in pictures().items():
        assert (DIRECTORY / name).read_text() == text, (
            f"docs/images/{name} is out of date: run `make specification`"
        )


def test_every_diagram_is_made() -> None:
    assert {path.name for path in DIRECTORY.iterdir()} == set(PICTURES)


def test_diagrams_are_xml_with_a_title_and_fetch_nothing() -> None:
    for text in pictures().values():
        root = ElementTree.fromstring(text)
        assert root.find("{http://www.w3.org/2000/svg}title") is not None
        assert "href" not in text
        assert "url(http" not in text


def test_no_words_leave_their_picture() -> None:
    for draw in PICTURES.values():
        drawing = draw()
        for words in ElementTree.fromstring(drawing.svg()).iter():
            if words.tag.endswith("text"):
                assert 0 <= float(words.attrib["x"]) <= drawing.width
                assert 0 <= float(words.attrib["y"]) <= drawing.height
