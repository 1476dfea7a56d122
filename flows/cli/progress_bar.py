"""The progress of a sync on a terminal."""

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from flows.common.events import Event, ListRead, ListsPlanned, PageLanded, Said
from flows.common.labels import account_label
from flows.common.list_key import ListKey
from flows.pipeline.report import counted

BAR_WIDTH = 10
OTHER_COLUMNS = 54
"""Characters of a line beside the description: sign, bar, counts, time."""
SHORTEST = 12


class ProgressLine:
    """Turns events into one moving line on a terminal, or a line per stage where there is none.

    As a context manager it shows on a terminal that something is going on, whether or not events arrive.

    Args:
        target: the console of stderr.
        stage: what is going on at first.
    """

    def __init__(self, target: Console, stage: str = "starting") -> None:
        self.console = target
        self.rows: dict[ListKey, int] = {}
        self.lists = self.read = 0
        self.names: dict[str, str] = {}
        self.progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(BAR_WIDTH),
            TextColumn("{task.fields[counts]}", markup=False),
            TimeElapsedColumn(),
            console=target,
            transient=True,
            disable=not target.is_terminal,
        )
        self.bar = self.progress.add_task(stage, total=None, counts="")

    def __enter__(self) -> "ProgressLine":
        self.progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.progress.stop()

    def on(self, event: Event) -> None:
        """Show an event; called from any thread."""
        match event:
            case ListsPlanned(lists, accounts, names):
                self.console.print(f"reading {counted(lists, 'list')} of {counted(accounts, 'account')}")
                self.lists, self.names = lists, names
                self.progress.update(self.bar, total=lists)
            case PageLanded(key, rows):
                self.rows[key] = rows
                self._show(self._title(key))
            case ListRead():
                self.read += 1
                self.progress.advance(self.bar)
                self._show()
            case Said(text):
                self.console.print(text)
                if self.read >= self.lists:
                    self._show(text)

    def _show(self, description: str | None = None) -> None:
        counts = f"{self.read:,} of {self.lists:,} lists, {sum(self.rows.values()):,} rows" if self.lists else ""
        shown = None if description is None else self._cut(description)
        self.progress.update(self.bar, counts=counts, description=shown)

    def _title(self, key: ListKey) -> str:
        if key.account_id is None:
            return key.resource
        return f"{key.resource} of {account_label(key.account_id, self.names)}"

    def _cut(self, text: str) -> str:
        most = max(SHORTEST, self.console.width - OTHER_COLUMNS)
        return text if len(text) <= most else f"{text[: most - 1]}…"
