"""A sync at a simulated time, in a process of its own that is going to be killed."""

import sys
from datetime import datetime

from flows.common.clock import clock_set_to
from flows.pipeline.sync import sync

if __name__ == "__main__":
    moment, destination, *resources = sys.argv[1:]
    with clock_set_to(datetime.fromisoformat(moment)):
        sync(destination=destination, resources=resources)  # type: ignore[arg-type]
