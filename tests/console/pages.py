"""The pages: what each shows is held against what the API says."""

import json
import re
import subprocess

FILTER = "kind = 'news' AND year >= 2020"
WORDS = "accessible web design"
CSV = 'id,title,n,v\n1,first,1.5,"[1, 0, 0]"\n2,"<img src=x onerror=""window.hacked=1"">",2,"0 1 0"\n3,third,,"[0,0,1]"\n'
BROKEN = '{"id": 4, "v": [1, 1, 1]}\n{"id": 5, "v": [1, "x"]}\n'


def whole(number):
    return f"{int(number):,}"


def of_filter(text):
    return {"must": [{"text": text}]}


def importing(tab, api):
    """A collection is made and filled from files."""
    page = tab.page
    tab.open("#/new")
    page.get_by_label("Name", exact=True).first.fill("notes")
    page.get_by_role("group", name="Vector fields").get_by_label("Name").fill("v")
    page.get_by_label("Numbers").fill("3")
    page.get_by_role("button", name="Add a text field").click()
    page.get_by_role("group", name="Text fields").get_by_label("Name").fill("title")
    tab.look("new")
    page.get_by_role("button", name="Create").click()
    page.wait_for_url("**#/c/notes/import")
    spec = api("Collections/Describe", collection="notes")["spec"]
    assert (spec["vectors"][0]["size"], spec["texts"][0]["name"]) == (3, "title"), spec

    page.set_input_files("#file", {"name": "notes.csv", "mimeType": "text/csv", "buffer": CSV.encode()})
    page.wait_for_selector("text=The first rows", state="attached")
    assert page.get_by_label("Id", exact=True).input_value() == "id"
    assert page.get_by_label("Vector “v” (3 numbers)").input_value() == "v"
    tab.look("import")
    page.get_by_role("button", name="Import into “notes”").click()
    page.wait_for_selector("text=3 points are in and on disk")
    point = api("Points/Get", collection="notes", ids=[{"num": "2"}], vectors={"all": True})["points"][0]
    assert point["vectors"]["v"]["values"] == [0, 1, 0], point
    assert json.loads(point["payload"]) == {"title": '<img src=x onerror="window.hacked=1">', "n": 2}, point

    page.set_input_files("#file", {"name": "more.jsonl", "mimeType": "", "buffer": BROKEN.encode()})
    page.get_by_role("button", name="Import into “notes”").click()
    page.wait_for_selector("text=line 2, “v”: it is no list of numbers")
    many = "".join(json.dumps({"id": at, "v": [1, at, 0], "n": at}) + "\n" for at in range(10, 3010))
    page.set_input_files("#file", {"name": "many.jsonl", "mimeType": "", "buffer": many.encode()})
    page.get_by_role("button", name="Import into “notes”").click()
    page.wait_for_selector("text=3,000 points are in and on disk")
    assert int(api("Points/Count", collection="notes")["count"]) == 3003

    # What comes out of a collection is text, whatever it says.
    page.get_by_role("link", name="See them").click()
    page.wait_for_selector("text=1–25 of 3,003")
    page.get_by_role("button", name="2", exact=True).click()
    page.wait_for_selector("dialog >> text=onerror")
    assert page.evaluate("[document.images.length, window.hacked]") == [1, None], "only the sign of the house is an image"
    assert not tab.wrong, tab.wrong


def collections(tab, api):
    tab.open("#/")
    row = tab.page.get_by_role("row").filter(has_text="passages")
    row.wait_for()
    cells = row.locator("th, td").all_inner_texts()
    status = api("Collections/Describe", collection="passages")["status"]
    assert cells[:3] == ["passages", "open", whole(status["points"])], cells
    assert cells[4] == whole(len(status["segments"])), cells
    tab.look("collections")
    row.get_by_role("link").click()
    tab.page.wait_for_url("**#/c/passages")


def overview(tab, api):
    tab.open("#/c/passages")
    tab.page.wait_for_selector("text=HNSW")
    status = api("Collections/Describe", collection="passages")["status"]
    tiles = dict(zip(tab.page.locator(".tiles dt").all_inner_texts(), tab.page.locator(".tiles dd").all_inner_texts()))
    assert tiles["Points"].split("\n")[0] == whole(status["points"]), tiles
    assert "english over title, text" in tab.page.locator("main").inner_text()
    tab.look("overview")


def points(tab, api):
    page = tab.page
    tab.open("#/c/passages/points")
    page.wait_for_selector("text=1–25 of 4,800")
    ids = lambda: page.locator(".points tbody th").all_inner_texts()
    from_api = lambda **asked: [point["id"].get("num", "0") for point in api("Points/Scroll", collection="passages", limit=25, **asked)["points"]]
    first = ids()
    assert first == from_api(), first
    page.get_by_role("button", name="Next").click()
    page.wait_for_selector("text=26–50 of 4,800")
    assert not set(first) & set(ids())
    page.get_by_role("button", name="Previous").click()
    page.wait_for_selector("text=1–25 of 4,800")

    box = page.get_by_label("Filter", exact=True).first
    box.fill("kind = 'news' AND year >")
    with tab.refusal(400):
        box.press("Enter")
        page.wait_for_selector("text=Column 25: expected a number or a date")
        assert box.get_attribute("aria-invalid") == "true"
        mistake = page.locator(".wrong pre").inner_text().split("\n")
        assert mistake[1].index("▲") == 24, mistake
    tab.look("filter-mistake")
    box.fill(FILTER)
    box.press("Enter")
    count = api("Points/Count", collection="passages", filter=of_filter(FILTER))["count"]
    page.wait_for_selector(f"text=1–25 of {whole(count)}")
    assert ids() == from_api(filter=of_filter(FILTER))
    tab.look("points")
    page.get_by_text("Values of a field").click()
    page.get_by_label("Field", exact=True).last.select_option("year")
    counts = api("Points/Facet", collection="passages", path="year", filter=of_filter(FILTER))["values"]
    page.locator(".facets li").nth(len(counts) - 1).wait_for()
    told = [line.split("\n") for line in page.locator(".facets li").all_inner_texts()]
    assert told == [[one["value"]["integer"], whole(one["count"])] for one in counts], told
    tab.look("values")
    page.locator(".facets button").first.click()
    page.wait_for_selector(f"text=of {whole(counts[0]['count'])}")
    assert box.input_value() == f"{FILTER} AND year = {counts[0]['value']['integer']}"
    page.get_by_text("Values of a field").click()
    page.get_by_role("button", name=ids()[0], exact=True).first.click()
    page.wait_for_selector("dialog >> text=384 numbers")
    assert "news" in page.locator("dialog .payload").inner_text()
    tab.look("point")
    tab.press("Escape")
    page.wait_for_selector("dialog", state="detached")
    page.get_by_label("Id", exact=True).fill("x")
    page.get_by_role("button", name="Open").click()
    assert page.locator("dialog").count() == 0


def query(tab, api):
    page = tab.page
    tab.open("#/c/passages/query?like=7")
    page.wait_for_selector(".hits li")
    assert page.locator(".hits li").count() == 10
    shown = lambda: page.locator(".hits .title .mono").all_inner_texts()
    near = [{"dense": {"point": {"num": "7"}}}]
    assert shown() == [hit["id"].get("num", "0") for hit in api("Points/Query", collection="passages", retrievers=near)["hits"]]

    page.get_by_text("Both", exact=True).click()
    page.get_by_label("Words", exact=True).last.fill(WORDS)
    page.get_by_label("Filter").fill(FILTER)
    page.get_by_label("Recall").select_option("0.99")
    page.get_by_label("Hits", exact=True).first.fill("8")
    page.get_by_role("button", name="Search").click()
    page.wait_for_selector(".rank")
    params = {"recall": 0.99}
    both = [{"name": "meaning", "dense": {"point": {"num": "7"}, "params": params}}, {"name": "words", "text": {"query": WORDS}}]
    asked = {"collection": "passages", "retrievers": both, "filter": of_filter(FILTER), "limit": 8, "explain": True}
    hits = api("Points/Query", **asked)["hits"]
    assert shown() == [hit["id"].get("num", "0") for hit in hits], shown()
    rank = lambda placing: f"{placing['retriever']} #{placing['rank']}" if placing.get("rank") else f"{placing['retriever']} –"
    assert page.locator(".rank").all_inner_texts() == [rank(one) for hit in hits for one in hit["placings"]]
    assert page.locator("mark").count() > 0
    tab.look("query")

    page.get_by_text("Explain", exact=True).click()
    tree = page.locator(".tree")
    names = tree.locator("strong").all_inner_texts()
    assert names == ["fusion", "meaning", "words"], names
    assert "segment" in tree.inner_text() and "postings" in tree.inner_text(), tree.inner_text()
    tab.look("explain")

    page.get_by_text("Request", exact=True).click()
    command = page.locator("pre.code").inner_text()
    reply = json.loads(subprocess.run(["bash", "-c", command], capture_output=True, check=True).stdout)
    assert [hit["id"] for hit in reply["hits"]] == [hit["id"] for hit in hits], command
    tab.look("request")

    page.get_by_text("Words", exact=True).first.click()
    page.get_by_label("Words", exact=True).last.fill("")
    page.get_by_role("button", name="Search").click()
    page.wait_for_selector("text=There are no words yet.")
    page.get_by_label("Words", exact=True).last.fill("zzzzqqqq")
    page.get_by_role("button", name="Search").click()
    page.wait_for_selector("text=Nothing was found")


def recall(tab, api):
    page = tab.page
    tab.open("#/c/passages/recall")
    page.get_by_label("Questions").select_option("20")
    page.get_by_role("button", name="Measure").click()
    page.wait_for_selector("svg.plot", timeout=120_000)
    assert page.locator("svg.plot circle").count() == 11
    rows = page.locator("tbody tr").all_inner_texts()
    assert rows[0].startswith("exact\t1.000"), rows
    recalls = [float(row.split("\t")[1]) for row in rows]
    assert min(recalls) >= 0.7 and recalls[6] >= 0.99, recalls
    tab.look("recall")


def map(tab, api):
    page = tab.page
    tab.open("#/c/passages/map")
    page.wait_for_selector("text=500 points drawn by chance")
    assert page.locator(".panel .legend li").count() > 3
    canvas = page.locator("canvas")
    canvas.focus()
    tab.press("ArrowRight")
    page.wait_for_selector(".tip strong")
    seen = page.locator(".tip").inner_text()
    tab.press("ArrowRight", "ArrowRight")
    assert page.locator(".tip").inner_text() != seen
    tab.press("Enter")
    page.wait_for_selector("dialog >> text=384 numbers")
    tab.press("Escape")
    tab.look("map")
    box = canvas.bounding_box()
    # Somewhere in the middle there is a point.
    for at in range(40):
        page.mouse.move(box["x"] + box["width"] * (0.4 + at * 0.005), box["y"] + box["height"] * 0.5)
        if page.locator(".tip").is_visible():
            return
    raise AssertionError("no point is near the middle of the map")


def server(tab, api):
    tab.open("#/server")
    tab.page.wait_for_selector("text=Calls since the start")
    text = tab.page.locator("main").inner_text()
    assert re.search(r"Version\s+\d+\.\d+\.\d+", text), text
    assert "ready" in text and "Query" in text, text
    tab.look("server")


def keys(tab, api):
    """From the address to a hit's payload without a mouse."""
    page = tab.page
    tab.open("#/")
    page.wait_for_selector("text=passages")
    tab.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    tab.press("Enter")
    assert page.evaluate("document.activeElement.id") == "page"
    tab.press("g", "s")
    page.wait_for_url("**#/server")
    tab.press("g", "c")
    page.wait_for_url("**#/")
    page.get_by_role("link", name="passages").focus()
    tab.press("Enter")
    page.wait_for_selector("text=HNSW")
    tab.press("]")
    page.wait_for_selector("text=1–25 of 4,800")
    tab.press("/")
    page.keyboard.type("year = 2018")
    tab.press("Enter")
    count = api("Points/Count", collection="passages", filter=of_filter("year = 2018"))["count"]
    page.wait_for_selector(f"text=1–25 of {whole(count)}")
    page.locator("main").focus()
    tab.press("]")
    page.wait_for_selector("text=Ask something")
    tab.press("/")
    page.keyboard.type(WORDS)
    tab.press("Control+Enter")
    page.wait_for_selector(".hits li")
    page.locator(".hits .link").first.focus()
    tab.press("Enter")
    page.wait_for_selector("dialog >> text=384 numbers")
    tab.press("Escape")
    page.wait_for_selector("dialog", state="detached")
    assert page.evaluate("document.activeElement.className").startswith("link"), "the focus goes back to where it was"
    tab.press("?")
    page.wait_for_selector("dialog >> text=Keyboard")
    tab.look("keys")
    tab.press("Escape")
    for place in ("#/", "#/new", "#/server", "#/c/passages", "#/c/passages/points", "#/c/passages/query", "#/c/passages/import", "#/c/passages/map", "#/c/passages/recall"):
        tab.open(place)
        page.wait_for_timeout(400)
        assert tab.focus_is_seen(60) > 8, place


def frame(tab, api):
    page = tab.page
    tab.open("#/server")
    page.wait_for_selector("text=This tab sends no key.")
    page.get_by_role("button", name="Key", exact=True).click()
    page.get_by_label("API key").fill("a-secret")
    tab.look("access")
    sent = []
    page.on("request", lambda request: sent.append(request.headers.get("api-key")))
    tab.press("Enter")
    page.wait_for_selector("text=This tab sends a key.")
    assert sent and set(sent) == {"a-secret"}, sent
    assert page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 1]
    page.get_by_role("button", name="Key set").click()
    page.get_by_role("button", name="Forget it").click()
    page.wait_for_selector("text=This tab sends no key.")

    ground = lambda: page.evaluate("getComputedStyle(document.body).backgroundColor")
    light = ground()
    switch = page.get_by_role("button", name="Colours")
    switch.click()
    switch.click()
    assert ground() != light
    page.reload()
    page.wait_for_selector("main h1")
    assert ground() != light, "it is kept"
    page.get_by_role("button", name="Colours").click()
    assert ground() == light
    with tab.refusal(404):
        tab.open("#/c/nothing")
        page.wait_for_selector("text=there is no collection `nothing`")
    reason = next(one["reason"] for one in api("Collections/List")["collections"] if one["name"] == "broken")
    with tab.refusal(500):
        tab.open("#/c/broken")
        page.wait_for_selector("text=collection `broken` is quarantined")
        page.get_by_text(reason).first.wait_for()
    tab.open("#/elsewhere")
    page.wait_for_selector("text=There is no such page")
    api("Collections/Create", collection="gone", spec={})
    tab.open("#/c/gone")
    page.get_by_role("button", name="Drop the collection…").click()
    page.get_by_label("Type “gone”").fill("gon")
    tab.press("Enter")
    page.wait_for_selector("text=That is not “gone”.")
    page.get_by_label("Type “gone”").fill("gone")
    tab.press("Enter")
    page.wait_for_url("**#/")
    assert "gone" not in json.dumps(api("Collections/List"))
    assert not tab.wrong, tab.wrong
