"""A headless Chromium, controlled through its DevTools protocol."""

import json
import shutil
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
from websocket import WebSocket, create_connection

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run", "--no-default-browser-check",
    "--disable-dev-shm-usage", "--remote-debugging-port=0", "--remote-allow-origins=*",
)  # fmt: skip
POLL = 0.25


def chromium() -> str | None:
    """The path of the browser; None if it is not installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Page:
    """A browser tab."""

    def __init__(self, socket: WebSocket) -> None:
        self.socket = socket
        self.sent = 0

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a protocol command and return its result."""
        self.sent += 1
        self.socket.send(json.dumps({"id": self.sent, "method": method, "params": parameters}))
        while (answer := json.loads(self.socket.recv())).get("id") != self.sent:
            pass
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression, awaited."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, script: str, patience: float = 120) -> Any:
        """The value of an expression once it is truthy. It is polled in the page, without round trips."""
        waiting = f"""new Promise((found, never) => {{
            const ends = Date.now() + {patience * 1000};
            const look = () => {{
                let value = null;
                try {{ value = ({script}); }} catch (error) {{ }}
                if (value) found(value);
                else if (Date.now() > ends) never(new Error("never true: " + {json.dumps(script)}));
                else setTimeout(look, {POLL * 1000});
            }};
            look();
        }})"""
        return self.run(waiting)

    def size(self, width: int, height: int) -> None:
        """Set the size of the window, in pixels."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def picture(self, path: Path) -> None:
        """Save a screenshot as PNG."""
        path.write_bytes(b64decode(self.call("Page.captureScreenshot", format="png")["data"]))


@contextmanager
def page(url: str, folder: Path, width: int = 1400, height: int = 1000) -> Iterator[Page]:
    """A tab that shows `url`, in a separate browser with its profile in `folder`."""
    program = chromium()
    assert program
    words = [program, *QUIET, f"--user-data-dir={folder}", f"--window-size={width},{height}", "about:blank"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as browser:
        try:
            with closing(create_connection(_tab(browser), timeout=300)) as socket:
                tab = Page(socket)
                tab.size(width, height)
                tab.call("Page.navigate", url=url)
                yield tab
        finally:
            browser.terminate()


def _tab(browser: "subprocess.Popen[str]") -> str:
    """The WebSocket address of the first tab, once the browser has printed where it listens."""
    assert browser.stderr
    said = next(line for line in browser.stderr if line.startswith("DevTools listening on "))
    port = said.split(":")[2].split("/")[0]
    tabs = httpx.get(f"http://127.0.0.1:{port}/json/list").json()
    return next(str(tab["webSocketDebuggerUrl"]) for tab in tabs if tab["type"] == "page")
