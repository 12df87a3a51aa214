"""The libraries that the page carries are the published files, and come with their licences."""

import hashlib

import pytest

from shape_audit.leaderboard.page.libraries import FOLDER, PLOTS, TABLE, TABLE_STYLE, libraries

LIBRARIES = libraries()


@pytest.mark.parametrize("one", LIBRARIES, ids=[one["package"] for one in LIBRARIES])
def test_files_are_those_of_the_package_and_say_their_version_and_licence(one: dict[str, object]) -> None:
    files = one["files"]
    assert isinstance(files, dict)
    content = {name: (FOLDER / name).read_bytes() for name in files}
    assert {name: hashlib.sha256(text).hexdigest() for name, text in content.items()} == {
        name: file["sha256"] for name, file in files.items()
    }
    licences = [text.decode() for name, text in content.items() if name.endswith(".LICENSE")]
    assert one["license"] == "MIT" and len(licences) == 1
    assert "MIT License" in licences[0] and "Copyright" in licences[0] and "without restriction" in licences[0]
    for name, text in content.items():
        if name.endswith(".js"):
            assert str(one["version"]) in text[:200].decode()


def test_every_shipped_file_is_listed_and_every_used_one_shipped() -> None:
    listed = {name for one in LIBRARIES for name in one["files"]}
    assert listed | {"libraries.json"} == {path.name for path in FOLDER.iterdir()}
    assert {*TABLE, TABLE_STYLE, PLOTS} == {name for name in listed if not name.endswith(".LICENSE")}
