"""An empty page with our modules in it, a clock of its own, and a server that the test plays."""

import asyncio
import json
from pathlib import Path
from typing import Any

from playwright.async_api import Page, Route, WebSocketRoute

from tests.browser.pages import OpenPage

MODULES = Path(__file__).resolve().parent.parent.parent / "static/js/chat"
POLICY = "default-src 'none'; script-src 'self'; connect-src 'self' ws://localhost; require-trusted-types-for 'script'"
HELLO = {"type": "hello", "conversation": "c", "after": 0}


class Line:
    """The other end of the line: what arrived on sockets and over HTTPS, and how it answers."""

    def __init__(self) -> None:
        self.sockets: list[WebSocketRoute] = []
        self.heard: list[dict[str, Any]] = []
        self.posts: list[list[dict[str, Any]]] = []
        self.answers_hello = True
        self.refusals: list[str] = []
        self.answers_heartbeat = True
        self.status = 200

    def socket(self, socket: WebSocketRoute) -> None:
        self.sockets.append(socket)
        socket.on_message(lambda message: self._message(socket, json.loads(message)))

    def _message(self, socket: WebSocketRoute, frame: dict[str, Any]) -> None:
        self.heard.append(frame)
        if frame["type"] == "hello" and self.refusals:
            socket.send(json.dumps(self._refusal()))
        elif frame["type"] == "hello" and self.answers_hello:
            socket.send(json.dumps(HELLO))
        if frame["type"] == "heartbeat" and self.answers_heartbeat:
            socket.send('{"type":"heartbeat","top":{}}')

    async def http(self, route: Route) -> None:
        self.posts.append(route.request.post_data_json["frames"])
        if self.status == 200:
            answer = self._refusal() if self.refusals else HELLO
            await route.fulfill(json={"frames": [answer]})
        else:
            await route.fulfill(status=self.status, json={})

    def _refusal(self) -> dict[str, Any]:
        return {"type": "error", "command": "hello", "code": self.refusals.pop(), "text": ""}


async def blank_page(open_page: OpenPage, line: Line, device: dict[str, Any]) -> Page:
    """Return a page that can import our modules; `connection` and `told` are on its window."""
    page = await open_page(device, url="http://localhost")

    async def serve(route: Route) -> None:
        path = route.request.url.removeprefix("http://localhost")
        if path.startswith("/modules/"):
            script = (MODULES / path.removeprefix("/modules/")).read_text()
            await route.fulfill(body=script, content_type="text/javascript")
        else:
            body = '<!doctype html><html lang="nl"><meta charset="utf-8"><link rel="icon" href="data:,"><title>t</title><main></main>'
            headers = {"Content-Security-Policy": POLICY + "; img-src data:"}
            await route.fulfill(body=body, content_type="text/html", headers=headers)

    await page.route("http://localhost/**", serve)
    await page.route("**/frames/", line.http)
    await page.route_web_socket("**/ws/", line.socket)
    await page.clock.install()
    await page.goto("/")
    await page.evaluate(
        """async () => {
          for (const name of ["connection", "outbox", "transcript", "composer"]) {
            Object.assign(window, await import(`/modules/${name}.js`));
          }
        }"""
    )
    await page.clock.pause_at(await page.evaluate("Date.now() + 1000"))
    return page


async def connect(page: Page) -> None:
    await page.evaluate(
        """() => {
          window.told = [];
          window.frames = [];
          window.connection = new Connection({
            socketUrl: "/ws/",
            framesUrl: "/frames/",
            hello: () => ({ type: "hello", conversation: "c", after: 0 }),
            onFrame: (frame) => frames.push(frame.type),
            onState: (state, code) => told.push(code ? `${state} ${code}` : state),
          });
          connection.start();
        }"""
    )


async def later(page: Page, seconds: float) -> None:
    """Let the page's clock run, with pauses in which the network answers."""
    while seconds > 0:
        await page.clock.run_for(min(seconds, 1) * 1000)
        await asyncio.sleep(0.01)
        seconds -= 1


async def until(page: Page, state: str) -> None:
    """Wait until the connection is in this state, without any time passing for it."""
    for _ in range(200):
        if await page.evaluate("connection.state") == state:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"never {state}; told {await page.evaluate('told')}")


async def states(page: Page) -> list[str]:
    told: list[str] = await page.evaluate("told")
    return told
