#!/usr/bin/env python3
"""The load bench: every row of README.md's table, this program and nginx in turn (A B A B).

    benches/load/run.py [--rows small,c1,big,stream,ttfb,open,convert] [--secs 3] [--reps 3] [--growth]

Builds the release binary and the two tools beside this file, starts the mock upstream and both proxies, and prints
a Markdown table. nginx (only copying bytes) and wrk are needed for the rows that name them; without nginx there are
no ratios. The proxies are pinned to core 0, the mock and the load to core 1. On a machine with other work CPU per
unit is the sound figure: wall time is what others left over. --growth measures instead how the cost grows with
the body, the number of open streams and the size of events, and draws growth-*.svg beside this file.
"""
import argparse, json, os, shutil, socket, statistics, subprocess, sys, tempfile, threading, time, urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
HZ, PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("--rows", default="small,c1,big,stream,ttfb,open,convert")
ap.add_argument("--secs", default="3")
ap.add_argument("--reps", type=int, default=3)
ap.add_argument("--binary", help="measure this instead of building")
ap.add_argument("--growth", action="store_true")
args = ap.parse_args()
rows = args.rows.split(",")
ROOM = tempfile.mkdtemp(prefix="load-")
MOCK, NGINX, OURS = 9100, 9101, 9102
processes, targets, table = [], {}, []


def build():
    run = lambda *cmd: subprocess.run(cmd, check=True, stdout=sys.stderr)
    run("cargo", "build", "--release", "--manifest-path", f"{HERE}/Cargo.toml")
    if not args.binary:
        run("cargo", "build", "--release", "--locked", "--manifest-path", f"{ROOT}/Cargo.toml")
    run(sys.executable, f"{HERE}/make_bodies.py", f"{ROOM}/bodies")


BINARY = os.path.abspath(args.binary) if args.binary else f"{ROOT}/target/release/aiapiproxy"


def tool(name):
    return f"{HERE}/target/release/{name}"


def environment():
    models = {f"CLAUDE_{tier}_MODEL": "m" for tier in ("HAIKU", "SONNET", "OPUS")}
    return {"PATH": os.environ["PATH"], "HOME": ROOM, "OPENAI_BASE_URL": f"http://127.0.0.1:{MOCK}/v1",
            "OPENAI_API_KEY": "sk-x", "RUST_LOG": "warn", **models,
            # The growth with open streams goes beyond the limit that is set by itself.
            "MAX_CONCURRENT_REQUESTS": "4000"}


def start(port, core, *cmd):
    """Starts a server, pinned; returns its id and how long it took to listen."""
    begun = time.monotonic()
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(["taskset", "-c", core, *cmd], env=environment(), cwd=ROOM, stdout=quiet, stderr=quiet)
    processes.append(process)
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return process.pid, time.monotonic() - begun
        except OSError:
            if process.poll() is not None or time.monotonic() - begun > 20:
                sys.exit(f"{cmd[0]} does not listen on {port}")
            time.sleep(0.0005)


def family(pid):
    members = [pid]
    for task in os.listdir(f"/proc/{pid}/task"):
        members += map(int, open(f"/proc/{pid}/task/{task}/children").read().split())
    return members


def cpu(pid):
    """Seconds of CPU so far, in user space and in the kernel."""
    total = 0
    for member in family(pid):
        fields = open(f"/proc/{member}/stat").read().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / HZ


def memory(pid):
    """Resident memory of its own, in MB: pages of the program's file are shared and may be dropped."""
    return sum(int(open(f"/proc/{member}/statm").read().split()[1]) * PAGE for member in family(pid)) / 1e6


def control(**settings):
    query = "&".join(f"{name}={value}" for name, value in settings.items())
    urllib.request.urlopen(f"http://127.0.0.1:{MOCK}/_ctl?reset=1&{query}").read()


def load(target, cmd, extra=None):
    pid = targets[target][0]
    before = cpu(pid)
    done = subprocess.run(["taskset", "-c", "1", *cmd], capture_output=True, text=True, env={**os.environ, **(extra or {})})
    spent = cpu(pid) - before
    line = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not line:
        sys.exit(done.stdout + done.stderr)
    result = json.loads(line[-1].replace("NaN", "null"))
    wrong = sum(result.get(name) or 0 for name in ("non2xx", "sockerr", "timeouts", "errors"))
    if wrong:
        print(f"{target}: {wrong} errors: {result}", file=sys.stderr)
    count = result.get("requests") or result.get("done") or 1
    return {**result, "cpu_us": 1e6 * spent / count}


def wrk(target, body, connections):
    _, url, dialect = targets[target]
    headers = {"openai": "authorization: Bearer x", "anthropic": "x-api-key: x|anthropic-version: 2023-06-01"}[dialect]
    body = body if body.startswith("/") else f"{ROOM}/bodies/{dialect}/{body}.json"
    cmd = ["wrk", "-t1", f"-c{connections}", f"-d{args.secs}s", "--timeout", "20s", "-s", f"{HERE}/post.lua", url]
    return load(target, cmd, {"BODY": body, "HDRS": headers})


def sse(target, body, connections, *more):
    _, url, dialect = targets[target]
    mark = {"openai": '"content":"a', "anthropic": "content_block_delta"}[dialect]
    return load(target, [tool("sseload"), "--url", url, "--body", f"{ROOM}/bodies/{dialect}/{body}.json",
                         "--conns", str(connections), "--secs", args.secs, "--mark", mark, "-H", "x-api-key: x", *more])


def row(name, measure, value, unit, more_is_better, units_per_request=1):
    """Measures all targets in turn; a ratio of 1 is nginx, more is better."""
    results = {target: [] for target in targets}
    for _ in range(args.reps):
        for target in targets:
            results[target].append(measure(target))
    median = lambda target, key: statistics.median(result[key] for result in results[target])
    cells = {target: (median(target, value), median(target, "cpu_us") / units_per_request) for target in targets}
    ours = cells["ours"]
    line = [name, *(f"{cells[target][0]:,.0f} {unit}" if target in cells else "–" for target in ("nginx", "ours"))]
    if "nginx" in cells:
        base = cells["nginx"]
        wall = ours[0] / base[0] if more_is_better else base[0] / ours[0]
        line += [f"{wall:.2f}", f"{base[1]:.2f} µs", f"{ours[1]:.2f} µs", f"{base[1] / ours[1]:.2f}"]
    else:
        line += ["–", "–", f"{ours[1]:.2f} µs", "–"]
    table.append(line)
    print("| " + " | ".join(line) + " |", flush=True)


def open_streams(target, count=256):
    """Memory while so many streams are open, 25 events a second each."""
    control(chunks=100, delay_us=40000)
    pid, peak, over = targets[target][0], [0.0], threading.Event()

    def watch():
        while not over.wait(0.2):
            peak[0] = max(peak[0], memory(pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    result = sse(target, "stream", count, "--once")
    over.set()
    watcher.join()
    control()
    return {**result, "mb": peak[0]}


def run_alone(*cmd):
    """Seconds of CPU and most resident memory, in MB, of a program that ends by itself."""
    process = subprocess.Popen(["taskset", "-c", "0", *cmd], env=environment(), stdout=subprocess.DEVNULL)
    peak, over = [0.0], threading.Event()

    def watch():
        # Not `ru_maxrss`: that counts the memory of this program too, which the child has until it is another.
        while not over.wait(0.02):
            try:
                with open(f"/proc/{process.pid}/status") as status:
                    line = next((line for line in status if line.startswith("VmHWM:")), None)
                with open(f"/proc/{process.pid}/comm") as name:
                    if line and name.read().strip() == os.path.basename(cmd[0])[:15]:
                        peak[0] = max(peak[0], int(line.split()[1]) * 1024 / 1e6)
            except OSError:
                pass

    watcher = threading.Thread(target=watch)
    watcher.start()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    over.set()
    watcher.join()
    if status:
        sys.exit(f"{cmd} failed: {status}")
    return usage.ru_utime + usage.ru_stime, peak[0]


GIGABYTE = 1_000_000_000


def convert():
    """Of a gigabyte of input: MB per second, and the most memory; a ratio of 1 is `serde_json` reading the same into nothing."""
    stream = f"{ROOM}/stream.sse"
    with open(stream, "wb") as file:
        head = b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":'
        tail = b',"logprobs":null,"finish_reason":%s}]}\n\n'
        thousand = 1_000 * (head + b'{"content":" token"}' + tail % b"null")
        for _ in range(GIGABYTE // len(thousand)):
            file.write(thousand)
        file.write(head + b"{}" + tail % b'"stop"' + b"data: [DONE]\n\n")
    lines = f"{ROOM}/requests.jsonl"
    with open(f"{ROOM}/bodies/anthropic/big.json", "rb") as big, open(lines, "wb") as file:
        body = big.read().replace(b"\n", b"") + b"\n"
        for _ in range(GIGABYTE // len(body)):
            file.write(body)
    for name, path, flags in (("convert, stream", stream, []), ("convert, 228 KB requests", lines, ["--jsonl"])):
        size, ours, theirs = os.path.getsize(path) / 1e6, [], []
        for _ in range(args.reps):
            theirs.append(run_alone(tool("ignored"), path))
            ours.append(run_alone(BINARY, "convert", *flags, path))
        rate = lambda runs: statistics.median(size / seconds for seconds, _ in runs)
        print(f"| {name} | serde_json: {rate(theirs):.0f} MB per CPU second | {rate(ours):.0f} MB per CPU second, "
              f"{max(peak for _, peak in ours):.0f} MB at most | {rate(ours) / rate(theirs):.2f} | – | – | – |", flush=True)


def growth():
    """Cost per request by body size, per stream by open streams, per event by its size."""
    with open(f"{ROOM}/bodies/anthropic/small.json") as file:
        small = json.load(file)
    points = []
    for size in (1 << 10, 16 << 10, 256 << 10, 2 << 20, 16 << 20, 31 << 20):
        text = "One line of a long conversation, with \"quotes\".\n"
        small["messages"] = [{"role": "user", "content": text * max(1, size // 52)}]
        path = f"{ROOM}/grown.json"
        with open(path, "w") as file:
            json.dump(small, file)
        points.append((os.path.getsize(path), wrk("ours", path, 2)["cpu_us"]))
    plot("body", "CPU per request (µs) by size of its body (bytes)", points)
    points = []
    for count in (1, 10, 100, 500, 1000, 2000):
        result = open_streams("ours", count)
        points.append((count, result["cpu_us"] * max(1, result["done"])))
    plot("streams", "CPU (µs) of all streams of 100 events at 25 a second, by how many are open", points)
    points = []
    for words in (1, 4, 16, 64, 256, 1024):
        control(chunks=200, tokens=words)
        result = sse("ours", "stream", 8)
        points.append((result["bytes_per_req"] / 200, result["cpu_us"] / 200))
    plot("event", "CPU per event (µs) by its size (bytes)", points)


def plot(name, title, points):
    """Both axes logarithmic: what grows in proportion is a line of the slope of the dashed one."""
    from math import log10

    xs, ys = [log10(max(x, 1)) for x, _ in points], [log10(max(y, 0.01)) for _, y in points]
    left, low = int(min(xs)), int(min(ys) // 1)
    wide, high = max(xs) - left or 1, max(ys) - low or 1
    at = lambda x, y: (70 + 500 * (x - left) / wide, 330 - 290 * (y - low) / high)
    dots = [at(x, y) for x, y in zip(xs, ys)]
    svg = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 600 370" font-family="sans-serif" font-size="12">',
           '<rect width="600" height="370" fill="white"/>', f'<text x="70" y="22">{title}</text>',
           '<path d="M70 40V330H580" fill="none" stroke="black"/>']
    slope = [at(xs[-1] - d, ys[-1] - d) for d in (0, min(wide, ys[-1] - low))]
    svg.append('<path d="M{:.0f} {:.0f}L{:.0f} {:.0f}" stroke="gray" stroke-dasharray="4"/>'.format(*slope[0], *slope[1]))
    svg.append('<polyline fill="none" stroke="#06c" stroke-width="2" points="%s"/>' % " ".join(f"{x:.0f},{y:.0f}" for x, y in dots))
    for (x, y), (a, b) in zip(dots, points):
        svg.append(f'<circle cx="{x:.0f}" cy="{y:.0f}" r="3" fill="#06c"/>')
        said = f"{b:,.0f}" if b >= 100 else f"{b:.3g}"
        svg.append(f'<text x="{x:.0f}" y="{y - 8:.0f}" text-anchor="end">{said}</text>')
        svg.append(f'<text x="{x:.0f}" y="348" text-anchor="middle">{a:,.0f}</text>')
    path = f"{HERE}/growth-{name}.svg"
    with open(path, "w") as file:
        file.write("\n".join([*svg, "</svg>"]) + "\n")
    print(path, [(round(x), round(y, 2)) for x, y in points], flush=True)


def main():
    build()
    start(MOCK, "1", tool("mock_upstream"), f"127.0.0.1:{MOCK}")
    nginx = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
    if nginx and not args.growth:
        # As root nginx would run its worker as somebody who cannot read the directory.
        user = "user root;\n" if os.geteuid() == 0 else ""
        with open(f"{HERE}/nginx.conf") as source, open(f"{ROOM}/nginx.conf", "w") as file:
            file.write(user + source.read())
        pid, _ = start(NGINX, "0", nginx, "-c", f"{ROOM}/nginx.conf", "-p", f"{ROOM}/")
        targets["nginx"] = (pid, f"http://127.0.0.1:{NGINX}/v1/chat/completions", "openai")
    pid, seconds = start(OURS, "0", BINARY, "serve", "--port", str(OURS))
    targets["ours"] = (pid, f"http://127.0.0.1:{OURS}/v1/messages", "anthropic")
    idle = memory(pid)
    if args.growth:
        return growth()
    with open("/proc/loadavg") as file:
        print(f"{time.strftime('%Y-%m-%d %H:%M')}, {os.cpu_count()} cores, load before: {file.read().strip()}\n")
    print("| per proxy core | nginx | aiapiproxy | ratio | CPU nginx | CPU aiapiproxy | CPU ratio |\n|---|---|---|---|---|---|---|")
    control()
    for target in targets:
        sse(target, "stream", 8)
    if shutil.which("wrk"):
        for name, body, count, key, unit, more in (
                ("small", "small", 64, "rps", "req/s", True), ("c1", "small", 1, "p50_us", "µs p50", False),
                ("big", "big", 16, "rps", "req/s", True)):
            titles = {"small": "small request, 64 connections", "c1": "small request, 1 connection", "big": "228 KB body, 16 connections"}
            if name in rows:
                row(titles[name], lambda target: wrk(target, body, count), key, unit, more)
    if "stream" in rows:
        row("200-event streams, 64 connections", lambda target: sse(target, "stream", 64), "events_per_s", "events/s", True, 204)
    if "ttfb" in rows:
        control(chunks=20, flush=1)
        row("first content byte, 1 connection", lambda target: sse(target, "stream", 1), "ttfc_p50_us", "µs p50", False)
        control()
    if "open" in rows:
        row("256 open streams, memory", open_streams, "mb", "MB", False)
    print(f"| idle memory, start | – | {idle:.1f} MB, {seconds * 1e3:.0f} ms | – | – | – | – |")
    if "convert" in rows:
        convert()


try:
    main()
finally:
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait()
    shutil.rmtree(ROOM, ignore_errors=True)
