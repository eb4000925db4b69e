"""Fixtures for the tests of both packages."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The data sets that lie beside the repository; a test that needs them is skipped where they do not."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the data sets are not here")
    return folder
