"""Modules of the console that compute: called in the browser, with cases."""

import json

ROWS = """async ([name, pieces]) => {
    const { formatOf, rowsOf } = await import('/console/rows.js');
    const file = new File(pieces, name);
    const rows = [];
    try {
        for await (const one of rowsOf(file, formatOf(name))) rows.push([one.line, one.row]);
    } catch (err) {
        return [rows, err.message];
    }
    return [rows, null];
}"""

CSV = [
    ("plain", "id,a\n1,x\n2,y\n", [[2, {"id": 1, "a": "x"}], [3, {"id": 2, "a": "y"}]]),
    ("no end of line", "id,a\r\n1,x", [[2, {"id": 1, "a": "x"}]]),
    ("quotes", 'id,a\n1,"x, ""y""\nz"\n2,""\n', [[2, {"id": 1, "a": 'x, "y"\nz'}], [4, {"id": 2, "a": ""}]]),
    ("kinds", "a,b,c,d,e,f\n1.5,true,007,,-3e2,12345678901234567890\n", [[2, {"a": 1.5, "b": True, "c": "007", "e": -300, "f": "12345678901234567890"}]]),
    ("quoted numbers are texts", 'a\n"1"\n', [[2, {"a": "1"}]]),
    ("empty lines and a mark", "\ufeffa\n\n1\n\n", [[3, {"a": 1}]]),
    ("a quote at the very end", 'a\n"x"', [[2, {"a": "x"}]]),
    ("an empty last cell", "a,b\n1,", [[2, {"a": 1}]]),
]
WRONG = [
    ("a.csv", "a,a\n", "line 1: two columns have the same name"),
    ("a.csv", "a,b\n1\n", "line 2: 1 cells, where the first line has 2"),
    ("a.csv", 'a\n"x', "line 2: a quote is not closed"),
    ("a.jsonl", '{"a": 1}\n[2]\n', "line 2: it is not an object"),
    ("a.jsonl", '{"a": 1}\n\n{"a"\n', "line 3:"),
    ("a.txt", "x", "neither JSON Lines"),
]
LONG = [
    ('{"id": 9007199254740993, "n": 12345678901234567891}', "9007199254740993", '{"n":12345678901234567891}'),
    ('{"id": 9007199254740992, "n": [-9007199254740993, 0.5]}', "9007199254740992", '{"n":[-9007199254740993,0.5]}'),
    ('{"id": "18446744073709551615", "n": 0.30000000000000004}', "18446744073709551615", '{"n":0.30000000000000004}'),
    ('{"id": 7, "n": 9007199254740991}', "7", '{"n":9007199254740991}'),
]
#: Rows through the upload, with calls that are answered in another order; gives what came, and what is told of an id.
UPLOAD = """async ([texts, delays]) => {
    const { rowsOf } = await import('/console/rows.js');
    const { upload } = await import('/console/upload.js');
    const calls = [];
    const own = window.fetch;
    let at = 0;
    window.fetch = async (path, options) => {
        const delay = delays[at++] ?? 0;
        // Until so many others came, or so long.
        do await new Promise((done) => setTimeout(done, delay.ms ?? 5)); while (calls.length < (delay.others ?? 0));
        calls.push(JSON.parse(options.body).ops.map(({ upsert }) => [upsert.id.num, upsert.payload]));
        return new Response('{}');
    };
    try {
        const rows = rowsOf(new File([texts.join('\\n')], 'a.jsonl'), 'jsonl');
        await upload('c', rows, { id: 'id', first: 0, vectors: {} }, { signal: new AbortController().signal, progress: () => {} });
    } catch (err) {
        return [calls, err.message];
    } finally {
        window.fetch = own;
    }
    return [calls, null];
}"""
TREE = """async (text) => {
    const { payloadOf, tree } = await import('/console/point.js');
    const payload = payloadOf({ payload: text });
    return [JSON.stringify(payload), tree(payload).textContent];
}"""
PLANE = """async () => {
    const { plane } = await import('/console/pca.js');
    const rows = [];
    for (let at = 0; at < 200; at += 1) {
        const [u, v] = [Math.sin(at), Math.cos(at * 1.7)];
        rows.push([3 * u + 5, 2 * v - 1, 0.01 * Math.sin(at * 9), 3 * u]);
    }
    const { places, explained } = plane(rows);
    const along = places.map(([x]) => Math.abs(x));
    return [explained, Math.max(...along), plane([[1, 2]]).explained];
}"""

SCATTER = """async () => {
    const { scatter } = await import('/console/scatter.js');
    const told = [];
    const points = [{x: 0, y: 0, series: 'a'}, {x: 1, y: 1, series: 'a'}];
    const canvas = scatter(points, { open: () => {}, tell: (at, place) => told.push([at, place?.length]), signal: new AbortController().signal });
    const key = () => canvas.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight' }));
    // There is no room for it yet, and then there was no time to draw it.
    key();
    canvas.style = 'display: block; width: 200px; height: 200px';
    document.body.append(canvas);
    key();
    canvas.remove();
    return told;
}"""


def check(tab):
    tab.open("#/")
    for name, text, expected in CSV:
        # However the file comes in pieces.
        for step in (1, 2, 1000):
            pieces = [text[at : at + step] for at in range(0, len(text), step)]
            rows, err = tab.page.evaluate(ROWS, ["a.csv", pieces])
            assert (rows, err) == (expected, None), f"{name}: {rows} {err}"
    for name, text, expected in WRONG:
        try:
            _, err = tab.page.evaluate(ROWS, [name, [text]])
        except Exception as thrown:
            err = str(thrown)
        assert err and expected in err, f"{text!r}: {err}"
    calls, err = tab.page.evaluate(UPLOAD, [[text for text, _, _ in LONG], []])
    assert (calls, err) == ([[[id, payload] for _, id, payload in LONG]], None), (calls, err)
    for id in ["007", "+7", 1.5]:
        calls, err = tab.page.evaluate(UPLOAD, [[f'{{"id": {json.dumps(id)}}}'], []])
        assert calls == [] and "is not an id" in err, (calls, err)
    # Three batches with the same ids: however long the first takes, what stands last in the file is what stays.
    rows = [json.dumps({"id": id, "round": round}) for round in range(3) for id in range(250)]
    calls, err = tab.page.evaluate(UPLOAD, [rows, [{"ms": 300}, {"ms": 100}]])
    assert err is None and [json.loads(call[0][1])["round"] for call in calls] == [0, 1, 2], (calls, err)
    # Others go side by side still.
    rows = [json.dumps({"id": id}) for id in range(750)]
    calls, err = tab.page.evaluate(UPLOAD, [rows, [{"others": 2}]])
    assert err is None and calls[-1][0][0] == "0", (calls, err)
    shown, told = tab.page.evaluate(TREE, '{"n":12345678901234567891,"of":[1,9007199254740993]}')
    assert shown == '{"n":12345678901234567891,"of":[1,9007199254740993]}', shown
    assert told == "n12345678901234567891of1, 9007199254740993", told
    explained, longest, single = tab.page.evaluate(PLANE)
    assert explained > 0.999 and 4.1 < longest < 4.5 and single == 1, (explained, longest, single)
    assert (told := tab.page.evaluate(SCATTER)) == [[0, 2]], told
    assert not tab.wrong, tab.wrong
