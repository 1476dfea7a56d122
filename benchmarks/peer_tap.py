"""The Singer tap, pointed to another base URL than the one that is written in it.

Run with the Python of its own environment. Its arguments are the tap's; the configuration has one key more, `base_url`.
"""

from typing import Any

import tap_drip
from tap_drip.client import Client


class ElsewhereClient(Client):
    """The tap's client, with a base URL of the configuration."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.base_url = config["base_url"]


if __name__ == "__main__":
    tap_drip.Client = ElsewhereClient
    tap_drip.main()
