"""Syncs the subscribers, after a small sync that imports all modules, and prints the processor seconds that it took."""

import resource
import sys

from flows.pipeline.sync import sync


def used() -> float:
    """Processor seconds of this process so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    sync(resources=["tags"], dataset="warm_up")
    before = used()
    report = sync(resources=["subscribers"])
    sys.stdout.write(f"{used() - before}\n" if report.exit_code == 0 else f"{report.summary()}\n")
