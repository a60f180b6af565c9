from __future__ import annotations

import pytest

from countenance.core.publishable import without_paths


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "FileNotFoundError: [Errno 2] No such file: '/data/Ann Doe/1.png'",
            "FileNotFoundError: [Errno 2] No such file: '…'",
        ),
        ("there is not enough memory to read /data/ann/1.png", "there is not enough memory to read …"),
        ("cannot open /data/ann/1.png: too many files", "cannot open … too many files"),
        (r"OSError: 'C:\faces\ann.png' is locked", "OSError: '…' is locked"),
        ("landmarks of 'ann/1.png' (and ann/2.png) differ", "landmarks of '…' (and …) differ"),
        ("no layer 'stem/conv' for p/accuracy at 8/255", "no layer 'stem/conv' for p/accuracy at 8/255"),
        ("it's a/b that isn't", "it's a/b that isn't"),
    ],
)
def test_paths_are_left_out_and_all_else_stays(text, told):
    assert without_paths(text, {"ann/1.png", "ann/2.png"}) == told
