"""The hook's latency: prefetch of 300 Observations, Shapley reasons included, one gunicorn worker.

    python -m benchmarks.hook [--calls 200] [--observations 300]

Prints p50, p95 and p99, where the time goes (from the app's own stage counters), and the floor beside them:
parsing the same JSON, and running the same model rows through the bare ONNX sessions.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from joserfc import jwt
from joserfc.jwk import ECKey

from benchmarks.charts import bundle, observations, patient
from inference.assessment import TROPONIN, VENTILATION
from inference.model import load, newest

ROOT = Path(__file__).resolve().parent.parent
CLIENT = "https://bench.example"


def keys_on_loopback(key: ECKey) -> tuple[ThreadingHTTPServer, str]:
    """A server that publishes the caller's public key."""
    body = json.dumps({"keys": [key.as_dict(private=False)]}).encode()

    class Keys(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Keys)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_address[1]}/jwks.json"


def tenant(folder: Path, jwks: str) -> None:
    """A site whose only business is this benchmark; every probability shows a card."""
    models = "".join(
        f'[models.{name}]\nstate = "demonstration"\nthreshold = 0.001\n' for name in (VENTILATION, TROPONIN)
    )
    (folder / "bench.toml").write_text(
        'id = "bench"\nname = "Benchmark"\nissuer = "http://127.0.0.1:9/fhir"\nclient_id = "bench"\n'
        'scopes = ["launch", "patient/Observation.rs"]\ntime_zone = "UTC"\n'
        f'[cards]\nquiet_minutes = 0\n{models}[[cds_clients]]\niss = "{CLIENT}"\njwks_url = "{jwks}"\n'
    )


def request_body(count: int, rng: random.Random) -> dict[str, Any]:
    """One order-sign for a high-flow cannula, everything prefetched."""
    moment = datetime.now(UTC)
    person, stay = patient("bench", moment=moment, rng=rng)
    rows = observations("bench", count, moment=moment, rng=rng)
    kind = {True: [], False: []}  # type: dict[bool, list[dict[str, Any]]]
    for row in rows:
        kind[row["category"][0]["coding"][0]["code"] == "laboratory"].append(row)
    order = {
        "resourceType": "ServiceRequest",
        "id": "o1",
        "status": "draft",
        "intent": "order",
        "subject": {"reference": "Patient/bench"},
        "code": {
            "coding": [{"system": "http://snomed.info/sct", "code": "57485005"}],
            "text": "Oxygen therapy",
        },
    }
    troponin = {
        **order,
        "id": "o2",
        "code": {"coding": [{"system": "http://loinc.org", "code": "10839-9"}], "text": "Troponin I"},
    }
    return {
        "hook": "order-sign",
        "hookInstance": "",
        "context": {
            "userId": "Practitioner/1",
            "patientId": "bench",
            "encounterId": "bench-stay",
            "draftOrders": {
                "resourceType": "Bundle",
                "type": "collection",
                "entry": [{"resource": order}, {"resource": troponin}],
            },
        },
        "prefetch": {
            "patient": person,
            "encounters": bundle([stay]),
            "vitals": bundle(kind[False]),
            "laboratory": bundle(kind[True]),
            "procedures": bundle([]),
            "deviceuse": bundle([]),
            "devices": bundle([]),
            "conditions": bundle([]),
        },
    }


def call(client: httpx.Client, url: str, key: ECKey, body: dict[str, Any]) -> tuple[float, httpx.Response]:
    """One call with a fresh token and hookInstance; seconds and answer."""
    now = int(time.time())
    header = {"alg": "ES384", "kid": key.kid, "typ": "JWT"}
    claims = {"iss": CLIENT, "aud": url, "iat": now, "exp": now + 300, "jti": secrets.token_hex(16)}
    token = jwt.encode(header, claims, key, algorithms=["ES384"])
    content = json.dumps({**body, "hookInstance": str(uuid.uuid4())}).encode()
    began = time.perf_counter()
    answer = client.post(
        url, content=content, headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    )
    return time.perf_counter() - began, answer


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    """Until the app is ready, or has died."""
    for _ in range(300):
        if process.poll() is not None:
            sys.exit("the app did not start")
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    sys.exit("the app was not ready within 30 s")


def floor(body: dict[str, Any], rows: int, name: str) -> tuple[float, float]:
    """Milliseconds to parse the JSON, and to run `rows` rows through the bare session."""
    text = json.dumps(body).encode()
    parse = min(_timed(lambda: json.loads(text)) for _ in range(20))
    model = load(newest(ROOT / "inference" / "artifacts", name), "cpu")
    codes = np.repeat(model.background_codes[:1], rows, axis=0)
    return parse * 1e3, min(_timed(lambda: model.headline_of(codes)) for _ in range(5)) * 1e3


def _timed(work: Any) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    """Start one worker, call both services, print."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--calls", type=int, default=200)
    ask.add_argument("--observations", type=int, default=300)
    ask.add_argument("--port", type=int, default=8765)
    told = ask.parse_args()
    key = ECKey.generate_key("P-384", parameters={"use": "sig", "alg": "ES384"})
    key.ensure_kid()
    server, jwks = keys_on_loopback(key)
    base = f"http://127.0.0.1:{told.port}"
    with tempfile.TemporaryDirectory(prefix="ordertime-hook-") as name:
        folder = Path(name)
        tenant(folder, jwks)
        environment = {
            **os.environ,
            "ORDERTIME_MODE": "demonstration",
            "ORDERTIME_PUBLIC_URL": base,
            "ORDERTIME_TENANTS": name,
            "ORDERTIME_SECRET_KEY": secrets.token_hex(32),
            "DATABASE_URL": f"sqlite:///{folder / 'bench.db'}",
            "ORDERTIME_LOG_LEVEL": "WARNING",
            "WEB_CONCURRENCY": "1",
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-b", f"127.0.0.1:{told.port}", "wsgi:app"],
            cwd=ROOT,
            env=environment,
        )
        try:
            wait_for(f"{base}/readyz", process)
            body = request_body(told.observations, random.Random(11))
            for service in (VENTILATION, TROPONIN):
                measure(f"{base}/cds-services/{service}", key, body, told.calls, service)
            stages(base)
        finally:
            process.terminate()
            process.wait(20)
            server.shutdown()


def measure(url: str, key: ECKey, body: dict[str, Any], calls: int, service: str) -> None:
    """Latencies of one service, with the floor beside them."""
    with httpx.Client(timeout=30) as client:
        for _ in range(10):
            _, answer = call(client, url, key, body)
        assert answer.status_code == 200, answer.text
        seconds = sorted(call(client, url, key, body)[0] for _ in range(calls))
    cuts = statistics.quantiles(seconds, n=100)
    parse, run = floor(body, 8192, service)
    print(f"\n{service}: {calls} calls, {len(answer.json()['cards'])} card each")
    print(
        f"  p50 {cuts[49] * 1e3:6.1f} ms   p95 {cuts[94] * 1e3:6.1f} ms   p99 {cuts[98] * 1e3:6.1f} ms   aim p95 <= 150"
    )
    print(f"  floor: parsing the same JSON {parse:.2f} ms; 8,192 rows through the bare session {run:.1f} ms")


def stages(base: str) -> None:
    """Where the time went, by the app's own counters."""
    text = httpx.get(f"{base}/metrics").text
    sums = {
        m[1]: float(m[2]) for m in re.finditer(r'ordertime_stage_seconds_sum\{stage="([^"]+)"\} (\S+)', text)
    }
    counts = {
        m[1]: float(m[2])
        for m in re.finditer(r'ordertime_stage_seconds_count\{stage="([^"]+)"\} (\S+)', text)
    }
    print("\nwhere the time goes, mean of both services")
    for stage, total in sorted(sums.items(), key=lambda pair: -pair[1]):
        print(f"  {stage:<12} {total / counts[stage] * 1e3:6.1f} ms")


if __name__ == "__main__":
    main()
