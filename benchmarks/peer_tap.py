"""Runs the Singer tap with another base URL than its hard-coded one.

Needs the Python of the tap's virtual environment. Takes the tap's arguments; its configuration also has `base_url`.
"""

from typing import Any

import tap_drip
from tap_drip.client import Client


class ElsewhereClient(Client):
    """The client of the tap, with the base URL from the configuration."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.base_url = config["base_url"]


if __name__ == "__main__":
    tap_drip.Client = ElsewhereClient
    tap_drip.main()
