"""Files come and go as they are."""

import asyncio
from pathlib import Path

import pytest

from wan_demo.ui.form import heard
from wan_demo.ui.media import Listener, Upload


def test_a_sound_is_served_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.wma"
    path.write_bytes(b"anything")
    served = Listener().postprocess(str(path))
    assert served is not None
    assert served.path == str(path)
    assert Listener().postprocess(None) is None


def test_what_is_no_sound_is_not_played(tmp_path: Path) -> None:
    (tmp_path / "list.m3u").write_text("#EXTM3U\n/etc/passwd\n")
    assert heard(str(tmp_path / "list.m3u")).value is None
    assert heard(None).value is None


@pytest.mark.parametrize("address", ["http://localhost:1/a.mp3", "https://example.org/a.mp3", "ftp://example.org/a"])
def test_addresses_are_not_fetched(address: str) -> None:
    with pytest.raises(ValueError, match="not an address"):
        asyncio.run(Upload().async_move_resource_to_block_cache(address))
