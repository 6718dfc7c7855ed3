"""What must have come of docs/walkthrough.md: the console shows what was imported, and Prometheus reads what the rules and the dashboard ask for."""

import json
import pathlib
import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request

from session import Failed

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent / "console"))
import chromium  # noqa: E402

DOCUMENT = "docs/walkthrough.md"
PROMETHEUS = "http://127.0.0.1:9090/api/v1"
#: Seconds until Prometheus has read the server several times.
READ_MAX = 120
#: Metrics that there may be nothing of on this walk: no recall was measured yet, and no time has come to seal or merge.
NOTHING_OF = {"nigh_recall", "nigh_recall_low", "nigh_recall_high", "nigh_seal_duration_seconds_bucket", "nigh_merge_duration_seconds_bucket"}
VARIABLES = {"$__rate_interval": "5m", "$instance": ".*", "$collection": ".*"}


def prepare(home):
    """What drives a browser is fetched while there is a network."""
    if chromium.browser():
        (home.parent / "console-tests").mkdir(exist_ok=True)
        chromium.python_with(home.parent / "console-tests")


def larger(data):
    """100,000 passages in place of the sample, where they are at hand and the program is not one for finding mistakes."""
    files = {"POINTS": data / "passages/base.jsonl.gz", "VECTORS": data / "passages/base.npy"}
    there = all(file.exists() for file in files.values()) and "debug" not in pathlib.Path(sys.argv[1]).parts
    print(f"docs: the walk imports {'100,000 passages' if there else 'the sample of 4,800 passages'}", flush=True)
    return {name: str(file) for name, file in files.items()} if there else {}


def look(session, home):
    count = json.loads(session.sh("nigh count -c passages -o json"))["count"]
    browser = chromium.browser()
    if browser:
        python = home.parent / "console-tests" / "browser" / "bin" / "python"
        key = (session.folder / "keys/search").read_text().strip()
        seen = subprocess.run([python, HERE / "seen.py", browser, "https://localhost:6333", key, str(count)], check=False, text=True, capture_output=True)
        if seen.returncode:
            raise Failed(f"the console does not show it:\n{seen.stdout}{seen.stderr}")
    else:
        print("docs: the console is NOT LOOKED AT, there is no Chromium")
    asked = observed()
    print(f"docs: {count:,} points; the console was {'seen' if browser else 'not seen'}; Prometheus answers {asked} expressions", flush=True)


def api(path, **query):
    with urllib.request.urlopen(f"{PROMETHEUS}/{path}?{urllib.parse.urlencode(query)}") as reply:
        told = json.load(reply)
    assert told["status"] == "success", told
    return told["data"]


def observed():
    """Every expression of the alert rules and of the dashboard, asked of the Prometheus that reads the server."""
    last = time.monotonic() + READ_MAX
    while True:
        try:
            reads = api("query", query='count_over_time(nigh_ready{job="nigh"}[5m])')["result"]
            if reads and int(reads[0]["value"][1]) >= 3:
                break
        except OSError:
            pass
        if time.monotonic() > last:
            targets = api("targets")["activeTargets"]
            raise Failed(f"Prometheus does not read the server: {[(one['scrapeUrl'], one['lastError']) for one in targets]}")
        time.sleep(0.5)
    (target,) = api("targets")["activeTargets"]
    assert target["health"] == "up" and target["scrapeUrl"].startswith("https://"), target
    rules = [rule for group in api("rules")["groups"] for rule in group["rules"]]
    written = re.findall(r"- alert: (\w+)", (ROOT / "deploy/prometheus/rules.yml").read_text())
    assert sorted(rule["name"] for rule in rules) == sorted(written), rules
    for rule in rules:
        assert rule["health"] == "ok" and rule["state"] == "inactive", rule
    dashboard = json.loads((ROOT / "deploy/grafana/nigh.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    for expression in expressions:
        for name, value in VARIABLES.items():
            expression = expression.replace(name, value)
        found = api("query", query=expression)["result"]
        names = set(re.findall(r"\bnigh_\w+", expression))
        # Nothing failed, so there is nothing to tell of failures.
        assert found or names & NOTHING_OF or 'code!="0"' in expression or 'rpc="Write"' in expression, f"nothing is found by {expression}"
    return len(rules) + len(expressions)
