"""JSON that is none, and JSON that only Python reads: the reason and the line, for whoever must mend the file."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import shape_audit
from shape_audit.errors import CorruptFileError
from shape_audit.hub.json_faults import json_oddities
from shape_audit.hub.json_files import parse_json_object
from tests.checks.checkpoints import CONFIG, write_clean

TEXT = '{\n "model_type": "llama",\n "hidden_size": 64\n}'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"\xef\xbb\xbf" + TEXT.encode(), r"byte order mark \(U\+FEFF"),
        (TEXT.encode("utf-16"), "encoded in UTF-16"),
        (TEXT.encode("utf-32"), "encoded in UTF-32"),
        (TEXT.encode("utf-16-le"), "encoded in UTF-16 or UTF-32"),
        (TEXT.replace("llama", "ll\xe4ma").encode("latin-1"), "line 2 holds the byte 0xe4, which is not UTF-8"),
        (TEXT.replace("64\n", "64,\n").encode(), r"line [34]: a comma before the closing }"),
        (TEXT.replace('"hidden', '// the width\n "hidden').encode(), r"line 3: a comment \(//\)"),
        (TEXT.replace('"hidden', '# the width\n "hidden').encode(), r"line 3: a comment \(#"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", r"a pointer of Git LFS"),
        (b"<!DOCTYPE html><html></html>", r"line 1: a web page"),
        (TEXT.replace('"hidden', '<<<<<<< HEAD\n "hidden').encode(), r"line 3: the marks of a merge conflict"),
        (TEXT.replace("64", "64 /* wide */").encode(), r"line 3: a comment \(/\*\)"),
        (TEXT.replace('"', "'").encode(), "line 2: single quotes"),
        (TEXT.replace("64", "None").encode(), "line 3: None, which is not a value of JSON"),
        (TEXT[:-8].encode(), "line 3: a text that does not end; the file may be cut off"),
        (TEXT[:-1].encode(), "the file ends in the middle"),
        ((TEXT + "{}").encode(), "line 4: more text after the end of the object"),
        (b"", "the file is empty"),
        (b'{"a": "\\ud800"}', "half of a surrogate pair"),
        (b"[" * 100_000, "nested beyond reason"),
        (b'{"a": ' + b"9" * 5000 + b"}", "too many digits"),
    ],
)
def test_what_is_no_json_says_where_and_why(text: bytes, reason: str) -> None:
    with pytest.raises(CorruptFileError, match=r"config\.json: not valid JSON: .*" + reason):
        parse_json_object(text, file="config.json")


def test_keys_named_twice_and_bare_constants_are_found_with_their_lines() -> None:
    text = '{"a": {"k": 1,\n "k": "\\"k\\": NaN"},\n "k": [NaN,\n -Infinity], "Infinity": "NaN"}'
    assert {kind: what for kind, what, _ in json_oddities(text.encode())} == {
        "duplicate-key": "names the key 'k' twice (line 1 and again line 2)",
        "lenient-json": "holds NaN in line 3, -Infinity in line 4: not JSON, though Python reads and writes it",
    }


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(),
       inner), max_leaves=20))  # fmt: skip
def test_plain_json_has_no_oddities(value: object) -> None:
    text = json.dumps({"value": value}, ensure_ascii=False).encode("utf-8", "surrogatepass")
    assert [kind for kind, *_ in json_oddities(text)] == []


@pytest.mark.parametrize("file", ["config.json", "generation_config.json", "tokenizer_config.json"])
def test_a_check_warns_of_infinity_in_any_side_file(file: str, tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    content = json.loads((folder / file).read_text()) if (folder / file).exists() else {}
    (folder / file).write_text(json.dumps({**content, "limit": [0.0, float("inf")]}))
    (found,) = [one for one in shape_audit.check(str(folder)).findings if one.severity != "note"]
    assert (found.rule, found.file, found.severity) == ("SA412", file, "warning") and "Infinity" in found.message


def test_a_comment_is_the_one_finding_about_a_config(tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    (folder / "config.json").write_text("// made by hand\n" + json.dumps(CONFIG))
    (found,) = shape_audit.check(str(folder)).failing
    assert found.rule == "SA407" and "line 1: a comment" in found.message
