"""The page at `/` in headless Chromium: what it shows, that it asks no other host and runs nothing, and that axe-core
finds no fault in it, light and dark.

page.py [FOLDER]: pictures go there. FORECAST_EXPORT_AXE names the file axe.min.js."""

import base64
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

from server import Server, creation, ended, job_arn, sample, wait_until

from harness import check, finish

AXE = pathlib.Path(os.environ["FORECAST_EXPORT_AXE"])
EVIL = '<script>document.title = "taken"</script><img src=x onerror="document.title=1">'
WIDTHS = {"light": (1200, "light"), "dark": (1200, "dark"), "narrow": (400, "light")}


class Browser:
    """Chromium by chromedriver, whose protocol is JSON over HTTP."""

    def __init__(self, folder):
        self.driver = subprocess.Popen(
            ["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        line = next(line for line in self.driver.stdout if "successfully on port" in line)
        self.base = f"http://127.0.0.1:{line.rsplit(' ', 1)[1].strip().rstrip('.')}/session"
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        flags += ["--disable-background-networking", "--no-first-run", "--hide-scrollbars", f"--user-data-dir={folder}"]
        options = {"binary": shutil.which("chromium"), "args": flags}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"performance": "ALL", "browser": "ALL"}}
        self.session = ""
        made = self.ask("POST", "", {"capabilities": {"alwaysMatch": wanted}})
        self.session = "/" + made["sessionId"]

    def ask(self, method, path, members=None):
        body = json.dumps(members).encode() if members is not None else None
        request = urllib.request.Request(self.base + self.session + path, body, method=method)
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]

    def close(self):
        self.ask("DELETE", "")
        self.driver.terminate()
        self.driver.wait()

    def open(self, url):
        self.ask("POST", "/url", {"url": url})

    def script(self, text, *arguments):
        return self.ask("POST", "/execute/async", {"script": text, "args": arguments})

    def text(self, selector="body"):
        return self.script("arguments[1](document.querySelector(arguments[0]).innerText)", selector)

    def click(self, text):
        found = self.ask("POST", "/element", {"using": "link text", "value": text})
        self.ask("POST", f"/element/{next(iter(found.values()))}/click", {})

    def command(self, name, **members):
        return self.ask("POST", "/goog/cdp/execute", {"cmd": name, "params": members})

    def look(self, width, scheme):
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self, file):
        taken = self.command("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(taken["data"]))

    def requests(self):
        """The addresses that were asked for since the last call."""
        events = [json.loads(entry["message"])["message"] for entry in self.ask("POST", "/se/log", {"type": "performance"})]
        return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]


def violations(browser):
    """What axe-core finds, and how many rules it applied."""
    # The page's own policy allows no script: this is run by the driver, outside of it.
    browser.script(AXE.read_text() + "; window.axe = axe; arguments[0](true)")
    found = browser.script(
        "axe.run(document, {resultTypes: ['violations', 'passes']}).then(r => arguments[0]({"
        "violations: r.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html).join(' ')), passes: r.passes.length,"
        "incomplete: r.incomplete.map(v => v.id)}), e => arguments[0]({error: String(e)}))"
    )
    assert "error" not in found, found
    return found


def finds_no_fault(browser, server, pictures):
    for name, (width, scheme) in WIDTHS.items():
        browser.look(width, scheme)
        browser.open(server.url + "/")
        # With everything unfolded there is more to find.
        browser.script("document.querySelectorAll('details').forEach(d => d.open = true); arguments[0](1)")
        found = violations(browser)
        assert not found["violations"], (name, found)
        assert found["passes"] >= 15, found
        wide = browser.script("arguments[0](document.documentElement.scrollWidth)")
        assert wide <= width, f"{name}: {wide} pixels wide"
        back = browser.script("arguments[0](getComputedStyle(document.body).backgroundColor)")
        assert (sum(map(int, back[4:-1].split(","))) < 200) == (scheme == "dark"), back
        if pictures:
            browser.open(server.url + "/")
            browser.picture(pictures / f"{name}.png")


def shows_jobs(browser, server):
    browser.look(1200, "light")
    browser.open(server.url + "/")
    browser.script("document.querySelectorAll('details').forEach(d => d.open = true); arguments[0](1)")
    text = browser.text()
    part = next((server.exports / "first").glob("first_*_part0.csv"))
    for expected in (
        "sales",
        "arn:aws:forecast:us-east-1:123456789012:forecast/sales",
        str(server.data / "sales"),
        "first",
        "s3://exports/first",
        "ACTIVE",
        f"{len(list((server.exports / 'first').glob('*_part*')))} files",
        part.name,
        "CREATE_PENDING",
        "CREATE_FAILED",
        "PARQUET",
        "Region us-east-1, account 123456789012",
    ):
        assert expected in text, f"{expected} is not in:\n{text}"
    failed = server.call("DescribeForecastExportJob", {"ForecastExportJobArn": job_arn("broken", "failed")})[1]
    assert failed["Message"] in text, (failed["Message"], text)


def shows_progress(browser, server):
    """A job that runs has a bar, and the page follows it if it is asked to."""
    for number in range(4):
        assert server.call("CreateForecastExportJob", creation(f"busy{number}", "s3://exports/busy", "large"))[0] == 200
    count = "arguments[0]([...document.querySelectorAll('progress')].filter(p => p.value > 0 && p.max > 1).length)"

    def bars():
        browser.open(server.url + "/")
        return browser.script(count)

    wait_until("a bar", bars)
    busy = browser.text()
    assert "CREATE_IN_PROGRESS" in busy and " % of " in busy, busy
    browser.open(server.url + "/?refresh=1")
    assert "Stop updating" in browser.text()
    ended(server, job_arn("large", "busy3"), 60)
    wait_until("news without a click", lambda: "running" not in browser.text("#jobs p"))
    browser.open(server.url + "/")
    assert "Update every 5 seconds" in browser.text()


def asks_nobody_else(browser, server):
    browser.requests()
    browser.open(server.url + "/")
    time.sleep(0.5)
    asked = [url for url in browser.requests() if not url.startswith(("data:", server.url))]
    assert not asked, asked
    with urllib.request.urlopen(server.url + "/") as answer:
        policy = answer.headers["Content-Security-Policy"]
        text = answer.read().decode()
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'"), policy
    assert "<script" not in text.lower() and "javascript:" not in text.lower()


def escapes(browser, server):
    """Names, paths and messages that look like HTML are text."""
    browser.open(server.url + "/")
    text = browser.text()
    assert f"s3://exports/{EVIL}" in text, text
    assert "folder <b>of</b> markup" in text, text
    assert browser.script("arguments[0](document.title)") == "Export jobs - forecast-export"
    assert browser.script("arguments[0](document.querySelectorAll('script, img, b').length)") == 0
    with urllib.request.urlopen(server.url + "/?before=%3Cscript%3E&refresh=%22%3E%3Cscript%3E") as answer:
        assert "<script" not in answer.read().decode()


def pages(browser, server):
    """Older jobs are a click away."""
    for number in range(60):
        assert server.call("CreateForecastExportJob", creation(f"many{number}", "s3://exports/many", "small"))[0] == 200
    ended(server, job_arn("small", "many59"), 60)
    browser.open(server.url + "/")
    assert "many59" in browser.text() and "first" not in browser.text("#jobs")
    browser.click("Older jobs")
    wait_until("older jobs", lambda: "s3://exports/first" in browser.text())
    assert "many59" not in browser.text() and "Newest jobs" in browser.text()


def prepare(folder):
    """A server with jobs of each kind."""
    (folder / "data").mkdir()
    sample(folder / "data/sales", 400, steps="100")
    sample(folder / "data/small", 10)
    sample(folder / "data/large", 8000, steps="100")
    # A part is missing.
    sample(folder / "data/broken", 10)
    next((folder / "data/broken").glob("*_part1.csv")).unlink()
    markup = folder / "folder <b>of</b> markup"
    sample(markup, 10)
    config = folder / "serve.toml"
    config.write_text(f'[[forecasts]]\nname = "evil"\nsource = {json.dumps(str(markup))}\n')
    server = Server(folder, "--part-bytes", "1MB", "--config", config)

    def create(name, path, *more, **members):
        status, answer = server.call("CreateForecastExportJob", creation(name, path, *more, **members))
        assert status == 200, answer
        return answer["ForecastExportJobArn"]

    ended(server, create("failed", "s3://exports/failed", "broken"))
    ended(server, create("first", "s3://exports/first"))
    ended(server, create("second", "s3://exports/second", Format="PARQUET", Tags=[{"Key": "a", "Value": "b"}]))
    ended(server, create("marked", f"s3://exports/{EVIL}", "evil"))
    return server


if __name__ == "__main__":
    pictures = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory(prefix="page.", ignore_cleanup_errors=True) as name:
        folder = pathlib.Path(name)
        with prepare(folder) as server:
            browser = Browser(folder / "profile")
            # Jobs that wait, while three run.
            check("names, paths and messages are text", lambda _: escapes(browser, server))
            check("nothing is asked of another host", lambda _: asks_nobody_else(browser, server))
            check("a job that runs shows its progress", lambda _: shows_progress(browser, server))
            for number in range(5):
                server.call("CreateForecastExportJob", creation(f"late{number}", "s3://exports/late", "large"))
            server.call("StopResource", {"ResourceArn": job_arn("large", "late3")})
            check("jobs, files and errors are shown", lambda _: shows_jobs(browser, server))
            check("axe-core finds no fault, light, dark and narrow", lambda _: finds_no_fault(browser, server, pictures))
            check("older jobs are a click away", lambda _: pages(browser, server))
            browser.close()
    finish()
