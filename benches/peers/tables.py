"""A run as Markdown, as JSON and as a picture."""

import json
import pathlib
import statistics
import subprocess


def seconds_of(point, clock, which="runs"):
    key = "seconds" if clock == "wall" else "cpu_seconds"
    return statistics.median(run[key] for run in point[which]) if point[which] else point["rough"][clock]


def qps(point, clock, which="runs"):
    return point["queries"] / seconds_of(point, clock, which)


def told(setting):
    return " ".join(f"{key}={value}" for key, value in setting.items())


def best(contestants, level, clock, ways, which="runs"):
    """The fastest measured point of these contestants that reaches a recall, with its contestant; else None."""
    any_round = any(point["runs"] for contestant in contestants for point in contestant.points)
    there = [
        (contestant, point)
        for contestant in contestants
        for point in contestant.points
        if (point["runs"] or not any_round) and point["recall"] >= level and point["way"] in ways
    ]
    return max(there, key=lambda pair: qps(pair[1], clock, which), default=None)


def number(value):
    return f"{value:,.0f}"


def of_rates(peers, levels, clock, ways, title):
    lines = [f"### {title}", "", "| | " + " | ".join(f"@{level}" for level in levels) + " | setting at 0.99 |"]
    lines.append("|---" * (len(levels) + 2) + "|")

    def first(item):
        found = [best(item[1], level, clock, ways) for level in levels]
        return [-(qps(pair[1], clock) if pair else 0) for pair in reversed(found[1:3])]

    for peer, contestants in sorted(peers.items(), key=first):
        if not any(contestant.points for contestant in contestants):
            continue
        found = [best(contestants, level, clock, ways) for level in levels]
        cells = [number(qps(pair[1], clock)) if pair else "-" for pair in found]
        pair = best(contestants, 0.99, clock, ways)
        way = f" ({pair[1]['way']})" if pair and len(ways) > 1 and not pair[0].ours else ""
        setting = f"{pair[0].label}; {told(pair[1]['setting'])}{way}" if pair else ""
        name = f"**{peer}**" if contestants[0].ours else peer
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {setting} |")
    return lines


def of_ratios(peers, levels, clock, which, title):
    nigh = peers.get("nigh", [])
    lines = [f"### {title}", "", "| recall | nigh | the best other | which | nigh / it |"]
    lines += ["|---|---|---|---|---|"]
    for level in levels:
        ours = best(nigh, level, clock, ("single", "batch"), which)
        others = [one for peer, group in peers.items() for one in group if not one.ours]
        theirs = best(others, level, clock, ("single", "batch"), which)
        if ours and theirs:
            one, two = qps(ours[1], clock, which), qps(theirs[1], clock, which)
            lines.append(f"| {level} | {number(one)} | {number(two)} | {theirs[0].peer} | {one / two:.2f} |")
    return lines


def of_builds(contestants):
    lines = ["### Builds", "", "Bytes a vector: held in memory, mapped from files (the system may take those back), on disk.", ""]
    lines += ["| | build | s | cpu s | held | mapped | on disk | best recall |", "|---" * 8 + "|"]
    for one in contestants:
        if one.built:
            cost = one.built
            if one.ours:
                memory = max(cost["grown_bytes"], cost["resident_bytes"])
                disk = mapped = cost["full_bytes"] + cost["codes_bytes"] + cost["route_bytes"]
            else:
                memory, mapped, disk = cost["memory_bytes"], cost["mapped_bytes"], cost["disk_bytes"]
            recall = max((point["recall"] for point in one.points), default=0)
            lines.append(
                f"| {one.peer} | {one.label} | {cost['seconds']:.1f} | {cost['cpu_seconds']:.1f} | {number(memory)} "
                f"| {number(mapped)} | {number(disk) if disk else '-'} | {recall:.4f} |"
            )
    failed = [one for one in contestants if one.error]
    return lines + [""] + [f"- without figures: {one.peer} ({one.label}): {one.error}" for one in failed]


def write(out, facts, contestants, levels, ann):
    clock = facts["clock"]
    peers = {}
    for one in contestants:
        peers.setdefault(one.peer, []).append(one)
    unit = "a second" if clock == "wall" else "a second of processor time"
    lines = [
        f"## {facts['set']}: {facts['rows']:,} vectors of {facts['size']} numbers",
        "",
        f"{facts['queries']} queries, k = 10, one thread, queries {unit}, medians of {facts['rounds']} rounds in turns; "
        f"built with {facts['threads']} threads.",
        "",
    ]
    lines += of_ratios(peers, levels, clock, "runs", "nigh against the best of the others") + [""]
    lines += of_ratios(peers, levels, clock, "firsts", "The same on the caches that another contestant left") + [""]
    lines += of_rates(peers, levels, clock, ("single", "batch"), "One query at a time or all in one call: the better")
    lines += [""] + of_rates(peers, levels, clock, ("single",), "One query a call") + [""]
    lines += of_builds(contestants)
    text = "\n".join(lines) + "\n"
    name = f"{facts['set']}"
    (out / f"{name}.md").write_text(text)
    whole = facts | {"contestants": [kept(one) for one in contestants]}
    (out / f"{name}.json").write_text(json.dumps(whole, indent=1))
    picture(out, name, facts, peers, clock, ann)
    print(text, flush=True)


def kept(one):
    keys = ("peer", "build", "built", "error", "points")
    return {key: getattr(one, key) for key in keys}


def picture(out, name, facts, peers, clock, ann):
    def series(peer):
        points = [point for one in peers[peer] for point in one.points]
        return {"name": peer, "points": [[point["recall"], qps(point, clock)] for point in points]}

    order = sorted((peer for peer in peers if any(one.points for one in peers[peer])), key=lambda peer: peer != "nigh")
    title = f"{name}: {facts['rows']:,} x {facts['size']}, k = 10, one thread"
    frontiers = out / f"{name}-frontiers.json"
    frontiers.write_text(json.dumps({"title": title, "series": [series(peer) for peer in order]}))
    plot = pathlib.Path(ann).with_name("plot")
    if plot.exists():
        subprocess.run([plot, frontiers, out / f"{name}.svg"], check=True)
