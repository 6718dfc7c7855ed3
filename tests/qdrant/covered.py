"""Whether every path and rpc of points and collections was called, and answered well, since a server was started.

    python tests/qdrant/covered.py http://127.0.0.1:6333

What there is says the table of calls (server/src/access/table.rs); what was called say the metrics.
"""

import pathlib
import re
import sys
import urllib.request

TABLE = pathlib.Path(__file__).parents[2] / "server" / "src" / "access" / "table.rs"
# A change of the cluster, and a snapshot of all, is answered with "not supported", which is no good answer.
WITHOUT = re.compile(r"shard|FullSnap|Snapshots/\w+Full|ClusterSetup|POST /collections/\{collection\}/cluster", re.IGNORECASE)


def main():
    calls = re.findall(r'"(/qdrant\.\w+/\w+|[A-Z]+ /(?:collections|aliases)[^"]*)"', TABLE.read_text())
    calls = [call for call in calls if not WITHOUT.search(call)]
    metrics = urllib.request.urlopen(f"{sys.argv[1]}/metrics").read().decode()
    told = re.findall(r'nigh_requests_total\{door="\w+",call="([^"]+)",result="ok"\} ([0-9.]+)', metrics)
    well = {call for call, count in told if float(count) > 0}
    missing = [call for call in calls if call not in well]
    print(f"covered: {len(calls) - len(missing)} of {len(calls)} paths and rpcs")
    for call in missing:
        print(f"  never called: {call}", file=sys.stderr)
    sys.exit(1 if missing or len(calls) < 60 else 0)


main()
