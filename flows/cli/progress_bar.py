"""The progress of a sync on a terminal."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from flows.common.events import Event, ListRead, ListsPlanned, PageLanded, Said
from flows.common.list_key import ListKey


class ProgressLine:
    """Turns events into one moving line on a terminal, or a line per stage where there is none."""

    def __init__(self, target: Console) -> None:
        self.console = target
        self.rows: dict[ListKey, int] = {}
        self.lists = 0
        self.progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("lists, {task.fields[rows]:,} rows", markup=False),
            TimeElapsedColumn(),
            console=target,
            transient=True,
        )
        self.bar = self.progress.add_task("reading", total=None, rows=0)

    def on(self, event: Event) -> None:
        """Show an event; called from any thread."""
        match event:
            case ListsPlanned(lists, accounts):
                self.console.print(f"reading {lists} lists of {accounts} account{'s' * (accounts != 1)}")
                self.lists = lists
                self.progress.update(self.bar, total=lists)
                self.progress.start()
            case PageLanded(key, rows):
                self.rows[key] = rows
                self.progress.update(self.bar, rows=sum(self.rows.values()))
            case ListRead():
                self.progress.advance(self.bar)
                if self.progress.finished:
                    self.progress.stop()
            case Said(text):
                self.console.print(text)
