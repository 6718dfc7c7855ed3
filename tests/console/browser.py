"""A page of the console, and what must hold wherever one looks at it."""

import contextlib
import io
import json
import urllib.request

from PIL import Image

# What a picture may weigh, in bytes.
PICTURE_MAX = 200_000
WIDTHS = {"wide": (1280, 860), "narrow": (390, 844)}


class Api:
    """The server, asked directly."""

    def __init__(self, origin):
        self.origin = origin

    def __call__(self, method, **body):
        request = urllib.request.Request(f"{self.origin}/nigh.v1.{method}", json.dumps(body).encode(), {"content-type": "application/json"})
        with urllib.request.urlopen(request) as reply:
            return json.load(reply)


class Console:
    """One tab: it notes every error and every request that leaves the origin."""

    def __init__(self, chromium, origin, axe, pictures, width="wide", scheme="light"):
        self.origin, self.axe, self.pictures, self.width, self.scheme = origin, axe, pictures, width, scheme
        across, down = WIDTHS[width]
        self.context = chromium.new_context(viewport={"width": across, "height": down}, color_scheme=scheme, reduced_motion="reduce")
        self.page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.wrong, self.allowed = [], None
        self.page.on("pageerror", lambda err: self.wrong.append(f"error: {err}"))
        self.page.on("console", self.heard)
        self.page.on("request", self.asked)

    def heard(self, message):
        if message.type not in ("error", "warning") or (self.allowed and self.allowed in message.text):
            return
        self.wrong.append(f"{message.type}: {message.text} at {message.location.get('url')}")

    def asked(self, request):
        if not request.url.startswith((self.origin + "/", "data:")):
            self.wrong.append(f"a request left the origin: {request.url}")

    @contextlib.contextmanager
    def refusal(self, status):
        """A call in here is refused, and the browser says so."""
        self.allowed = f"status of {status}"
        yield
        self.page.wait_for_timeout(50)
        self.allowed = None

    def open(self, place):
        self.page.goto("about:blank")
        self.page.goto(f"{self.origin}/console/{place}")
        self.page.wait_for_selector("main h1")

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def look(self, name):
        """The page as it is: nothing wrong, nothing wider than the window, rules of accessibility held; a picture."""
        self.page.mouse.move(0, 0)
        self.page.wait_for_selector("[aria-busy]", state="detached")
        wide = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{name}, {self.width}: the page is {wide} pixels wider than its window"
        self.judge(name)
        assert not self.wrong, f"{name}, {self.width}: {self.wrong}"
        if self.pictures:
            self.picture(f"console-{name}-{self.width}{'-dark' if self.scheme == 'dark' else ''}.png")

    def judge(self, name):
        if not self.axe:
            return
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(self.axe)
        rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}
        found = self.page.evaluate("async rules => (await axe.run(document, rules)).violations", rules)
        told = [f"{one['id']}: {node['html'][:160]} {node.get('failureSummary', '')}" for one in found for node in one["nodes"][:3]]
        assert not told, f"{name}, {self.width}, {self.scheme}:\n" + "\n".join(told)

    def picture(self, name):
        shot = Image.open(io.BytesIO(self.page.screenshot()))
        small = io.BytesIO()
        shot.convert("RGB").quantize(256, kmeans=2, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
        assert small.tell() <= PICTURE_MAX, f"{name} has {small.tell()} bytes"
        (self.pictures / name).write_bytes(small.getvalue())

    def focus_is_seen(self, most):
        """Goes through the page by Tab: every stop has an outline, its own or that of what it is drawn on."""
        outlined = """() => {
            const own = document.activeElement;
            if (own === document.body) return 'end';
            const seen = [own, own.closest('label'), own.nextElementSibling].filter(Boolean);
            if (seen.some(one => getComputedStyle(one).outlineStyle !== 'none')) return 'seen';
            return own.outerHTML.slice(0, 200);
        }"""
        stops = 0
        for _ in range(most):
            self.press("Tab")
            told = self.page.evaluate(outlined)
            if told == "end":
                break
            assert told == "seen", f"the focus cannot be seen on {told}"
            stops += 1
        return stops
