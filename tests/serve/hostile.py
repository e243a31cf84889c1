"""Clients that mean no good, or are broken: what they send is refused, nothing that they do is left behind, and others
are still answered."""

import asyncio
import base64
import json
import pathlib
import resource
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import warnings

from server import (
    KEY,
    SECRET,
    Client,
    Server,
    creation,
    ended,
    job_arn,
    quoted,
    sample,
    signed,
    signed_for_s3,
    wait_until,
)

from harness import check, finish

CONNECTIONS = 10_000
# As many as the server keeps by default.
KEPT = 1_000
MARK = b"nobody outside may read this"
MIB = 1 << 20


def exchange(port, data, timeout=8):
    """What comes back for these bytes, until the server closes or is silent for a while."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as stream:
        answer = b""
        try:
            stream.sendall(data)
            while part := stream.recv(65536):
                answer += part
        except (TimeoutError, ConnectionError):
            pass
        return answer


def post(body=b"{}", target="ListForecasts", more=(), length=None):
    """A request that asks for the end of its connection, so that its answer has an end, too."""
    length = len(body) if length is None else length
    lines = ["POST / HTTP/1.1", "Host: x", "Connection: close", f"X-Amz-Target: AmazonForecast.{target}"]
    lines += [f"Content-Length: {length}", *more]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def in_chunks(chunks):
    head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Amz-Target: AmazonForecast.ListForecasts\r\n"
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks


def get(path=b"/healthz", more=b"", version=b"HTTP/1.1"):
    return b"GET " + path + b" " + version + b"\r\nHost: x\r\nConnection: close\r\n" + more + b"\r\n"


# What is sent, the status of the answer, and what is in it.
MALFORMED = {
    "no HTTP": (b"\x00\xff\x13\x37" * 64 + b"\r\n\r\n", 400, b""),
    "TLS to a plain port": (bytes.fromhex("160301020001fc0303") + b"\x00" * 500, 400, b""),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", 400, b""),
    "HTTP/9.9": (get(version=b"HTTP/9.9"), 400, b""),
    "no version": (b"GET /healthz\r\n\r\n", 400, b""),
    "a line without a colon": (get(more=b"nothing\r\n"), 400, b""),
    "a space before a colon": (get(more=b"Name : x\r\n"), 400, b""),
    "NUL in a header": (get(more=b"Name: a\x00b\r\n"), 400, b""),
    "a folded header": (get(more=b"Name: a\r\n b\r\n"), 400, b""),
    "NUL in the path": (get(b"/\x00"), 400, b""),
    "101 headers": (get(more=b"".join(b"H%d: x\r\n" % number for number in range(101))), 431, b""),
    # The limit is 64 KiB, which what has been read already may exceed.
    "headers of 150 KiB": (get(more=b"H: " + b"x" * (150 << 10) + b"\r\n"), 431, b""),
    "headers of 1 MiB": (get(more=b"".join(b"H%d: " % n + b"x" * 20_000 + b"\r\n" for n in range(50))), 431, b""),
    "a path of 70 KiB": (get(b"/" + b"x" * (70 << 10)), 414, b""),
    "a length that is no number": (post(length="abc"), 400, b""),
    "a negative length": (post(length="-1"), 400, b""),
    "a length beyond all numbers": (post(length="9" * 30), 400, b""),
    "two lengths": (post(more=["Content-Length: 7"]), 400, b""),
    "a length of 2 MiB": (post(length=2 * MIB), 413, b"RequestEntityTooLargeException"),
    "a body of 1 MiB and a byte": (post(b" " * (MIB + 1)), 413, b"RequestEntityTooLargeException"),
    "chunks of 1 MiB and a byte": (in_chunks(b"10000\r\n" + b" " * 65536 + b"\r\n") + (b"10000\r\n" + b" " * 65536 + b"\r\n") * 16, 413, b"TooLarge"),
    "a chunk of a wrong size": (in_chunks(b"zz\r\n{}\r\n0\r\n\r\n"), 400, b"SerializationException"),
    "a chunk beyond all numbers": (in_chunks(b"f" * 17 + b"\r\n{}\r\n0\r\n\r\n"), 400, b"SerializationException"),
    "an extension of a chunk without an end": (in_chunks(b"2;" + b"x" * (MIB // 2)), 400, b"SerializationException"),
    "a body of 1 MiB that is no JSON": (post(b" " * (MIB - 1) + b"{"), 400, b"SerializationException"),
    "a hundred thousand brackets": (post(b"[" * 100_000), 400, b"SerializationException"),
    "a hundred thousand objects": (post(b'{"a":' * 100_000), 400, b"SerializationException"),
    "a body that is not UTF-8": (post(b'{"NextToken": "\xff"}'), 400, b"SerializationException"),
    "half a surrogate pair": (post(b'{"NextToken": "\\ud800"}'), 400, b"SerializationException"),
    "a number beyond all": (post(b'{"MaxResults": 1e999}'), 400, b"SerializationException"),
    "a number that is no integer": (post(b'{"MaxResults": 99999999999999999999}'), 400, b"SerializationException"),
    "an unknown operation": (post(target="\xe4".encode().decode("latin-1")), 400, b"UnknownOperationException"),
    "no signature": (post(), 400, b"MissingAuthenticationTokenException"),
    "a POST to elsewhere": (b"POST /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 400, b"UnknownOperation"),
    "CONNECT": (b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404, b""),
    "TRACE": (b"TRACE / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404, b""),
    "a bucket without a signature": (get(b"/exports/_CHECK"), 403, b"AccessDenied"),
}


def is_refused(server, name, sent, status, text):
    answer = exchange(server.port, sent)
    found = int(answer[9:12]) if answer.startswith(b"HTTP/1.") else 0
    # hyper closes without an answer where what it got is no HTTP. A client that still sends may lose its answer.
    may_be_silent = status in (400, 414) or len(sent) > MIB
    if not (found == status and text in answer) and not (may_be_silent and not answer):
        raise AssertionError(f"{answer[:300]!r}, not {status}")
    healthy(server)


def healthy(server):
    """Others are answered within a second."""
    began = time.monotonic()
    with Client(server) as client:
        assert client.send("GET", "/healthz") == (200, {"status": "ok"})
        assert client.call("ListForecasts")[0] == 200
    seconds = time.monotonic() - began
    assert seconds < 1, f"an answer took {seconds:.1f} s"


def refuses_signatures(server, folder):
    """Each of them is refused by the error that AWS has for it, is logged, and does nothing."""
    host = f"127.0.0.1:{server.port}"
    before = server.log.read_text().count("a request was refused")
    body = json.dumps(creation("forged", "s3://exports/forged")).encode()

    def of(**options):
        return signed("CreateForecastExportJob", body, host, **options)

    good = of()
    signature = good["Authorization"].rsplit("=", 1)[1]

    def altered(old, new):
        return good | {"Authorization": good["Authorization"].replace(old, new)}

    tries = {
        "a wrong secret": (of(secret="x" * 40), "InvalidSignatureException"),
        "an unknown key": (of(key="AKIDOTHER"), "UnrecognizedClientException"),
        "16 minutes ago": (of(age=960), "InvalidSignatureException"),
        "16 minutes ahead": (of(age=-960), "InvalidSignatureException"),
        "another region": (of(region="eu-west-1"), "InvalidSignatureException"),
        "another service": (of(service="s3"), "InvalidSignatureException"),
        "another operation": (good | {"X-Amz-Target": "AmazonForecast.ListForecasts"}, "InvalidSignatureException"),
        "another date": (good | {"X-Amz-Date": of(age=1)["X-Amz-Date"]}, "InvalidSignatureException"),
        "an unsigned target": (altered(";x-amz-target", ""), "InvalidSignatureException"),
        "an unsigned date": (altered(";x-amz-date", ""), "InvalidSignatureException"),
        "an unsigned host": (altered("host;", ""), "InvalidSignatureException"),
        "a header that is not there": (altered("SignedHeaders=", "SignedHeaders=a;"), "InvalidSignatureException"),
        "many headers": (altered("SignedHeaders=", "SignedHeaders=" + "host;" * 9000), "InvalidSignatureException"),
        "a token": (good | {"X-Amz-Security-Token": "x"}, "UnrecognizedClientException"),
        "a body that is not signed": (good | {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}, "InvalidSignatureException"),
        "another body's hash": (good | {"x-amz-content-sha256": "0" * 64}, "InvalidSignatureException"),
        "no signature": (altered(signature, ""), "IncompleteSignatureException"),
        "half a signature": (altered(signature, signature[:32]), "InvalidSignatureException"),
        "no hex": (altered(signature, "z" * 64), "InvalidSignatureException"),
        "two signatures": (altered(signature, f"{signature}, Signature={signature}"), "IncompleteSignatureException"),
        "basic": (good | {"Authorization": "Basic eDp5"}, "IncompleteSignatureException"),
        "another algorithm": (altered("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"), "IncompleteSignatureException"),
    }
    for name, (headers, expected) in tries.items():
        with Client(server) as client:
            status, answer = client.send("POST", "/", body, headers)
        found = answer["__type"] if isinstance(answer, dict) else answer
        assert (status, found) == (400, expected), f"{name}: {status} {answer}"
        assert SECRET not in json.dumps(answer), name
    with Client(server) as client:
        status, answer = client.send("POST", "/", body.replace(b"forged", b"forgot"), good)
        assert (status, answer["__type"]) == (400, "InvalidSignatureException"), answer
    said = server.log.read_text()
    assert said.count("a request was refused") - before == len(tries) + 1
    assert SECRET not in said
    assert server.call("ListForecastExportJobs")[1]["ForecastExportJobs"] == []


def keeps_paths_within(server, folder):
    """No destination leads out of the bucket's folder."""
    outside = folder / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(MARK)
    (server.exports / "link").symlink_to(outside)
    (server.exports / "inner").mkdir()
    (server.exports / "inner/up").symlink_to("../..")
    (server.exports / "broken").symlink_to(folder / "new")
    (server.exports / "file").write_bytes(b"a file")
    refused = ["..", "../x", "a/../../x", "./a", "a/./b", "a//b", "/a", "a\\..\\..\\x", "a/\x00/b", "a\x00", "a\x1b[2J"]
    refused += ["link", "link/a", "inner/up", "inner/up/outside", "broken", "broken/a"]
    for number, path in enumerate(refused):
        status, answer = server.call("CreateForecastExportJob", creation(f"out{number}", f"s3://exports/{path}"))
        assert status == 400 and answer["__type"] == "InvalidInputException", (path, status, answer)
    # Names like any others, which end as a job that failed or in a folder of the bucket.
    odd = ["%2e%2e/x", "%2e%2e%2fx", "..%2f..", "...", "..a", "a..", "~", "$HOME", "a b", "*", "?", "-rf", "\u202e", "\u00e4" * 100]
    odd += ["file", "file/a", "x" * 300, "/".join(["x" * 200] * 20)]
    jobs = {}
    for number, path in enumerate(odd):
        status, answer = server.call("CreateForecastExportJob", creation(f"odd{number}", f"s3://exports/{path}"))
        assert status in (200, 400), (path, answer)
        if status == 200:
            jobs[path] = ended(server, answer["ForecastExportJobArn"])
    for path, job in jobs.items():
        can_be = not path.startswith("file") and max(map(len, path.split("/"))) <= 255 and len(path) < 3000
        assert job["Status"] == ("ACTIVE" if can_be else "CREATE_FAILED"), (path, job)
        assert ("Message" in job) == (not can_be), job
        if can_be:
            assert list((server.exports / path).glob("odd*_part0.csv")), path
    # A folder that becomes a link while its job waits for its turn.
    assert server.call("CreateForecastExportJob", creation("slow0", "s3://exports/slow", "large"))[0] == 200
    for number in range(1, 6):
        server.call("CreateForecastExportJob", creation(f"slow{number}", "s3://exports/slow", "large"))
    assert server.call("CreateForecastExportJob", creation("turned", "s3://exports/turned/a"))[0] == 200
    (server.exports / "turned").symlink_to(outside)
    job = ended(server, job_arn("sales", "turned"))
    assert job["Status"] == "CREATE_FAILED" and "within" in job["Message"], job
    assert sorted(path.name for path in folder.iterdir()) == ["data", "exports", "log", "outside"]
    assert [path.name for path in outside.iterdir()] == ["secret"]


def shows_nothing_outside(server, folder):
    """The buckets' S3 gives no file from elsewhere, takes nothing, and asks for a good signature."""
    outside = folder / "outside"
    assert server.call("CreateForecastExportJob", creation("shown", "s3://exports/shown"))[0] == 200
    ended(server, job_arn("sales", "shown"))
    part = next((server.exports / "shown").glob("*_part0.csv"))
    assert outside.is_dir() and (server.exports / "link").is_symlink()
    host = f"127.0.0.1:{server.port}"

    def ask(method, path, body=b"", **options):
        with Client(server) as client:
            return client.send(method, path, body, signed_for_s3(method, path, host, body, **options))

    path = quoted(f"/exports/shown/{part.name}")
    assert ask("GET", path) == (200, part.read_text())
    tricks = ["..", "../", "../outside/secret", "../../../../etc/passwd", "%2e%2e/outside/secret", "%2e%2e%2foutside%2fsecret"]
    tricks += ["%252e%252e/outside/secret", "..%2foutside%2fsecret", "..%5coutside%5csecret", "shown/../../outside/secret"]
    tricks += ["link/secret", "link%2fsecret", "inner/up/outside/secret", "broken", "%00", "link/secret%00", "/etc/passwd"]
    tricks += ["%2fetc%2fpasswd", ".", "./", "shown", "shown/", "x" * 5000, "%ff%fe", "%"]
    for trick in tricks:
        for method in ("GET", "HEAD"):
            status, answer = ask(method, f"/exports/{trick}")
            assert 400 <= status < 500, (method, trick, status, answer)
            text = json.dumps(answer)
            assert MARK.decode() not in text and "root:" not in text and str(folder) not in text, (trick, answer)
    for query in ["", "&prefix=..%2F", "&prefix=..%2Foutside%2F", "&prefix=%2F", "&prefix=link", "&prefix=inner%2Fup%2F"]:
        status, answer = ask("GET", f"/exports?list-type=2{query}")
        assert 200 <= status < 500 and "secret" not in str(answer), (query, answer)
        assert "outside" not in str(answer).replace("..%2Foutside", "").replace("../outside/", ""), (query, answer)
    for bucket in ["..", "%2e%2e", "data", "outside", "exports%2f..%2foutside", "etc"]:
        assert 400 <= ask("GET", f"/{bucket}/secret")[0] < 500, bucket
    # To be read only.
    for method, target in [("PUT", "/exports/new"), ("DELETE", path), ("PUT", "/fresh"), ("DELETE", "/exports"), ("POST", "/exports?delete"), ("POST", "/exports/new?uploads")]:
        status, answer = ask(method, target, b"<x/>" if method == "POST" else b"x")
        assert 400 <= status < 600 and status != 500, (method, target, status, answer)
    assert part.exists() and not (server.exports / "new").exists()
    for name, options in {"a wrong secret": {"secret": "x" * 40}, "an unknown key": {"key": "AKIDOTHER"}, "an hour ago": {"age": 3600}}.items():
        status, answer = ask("GET", path, **options)
        assert status == 403, (name, status, answer)
    assert ask("GET", path, body=b"", region="us-east-1")[0] == 200


async def opened(port):
    return await asyncio.open_connection("127.0.0.1", port)


async def closed_after(reader, limit):
    """How long it takes until the server closes, and what it said before."""
    began = time.monotonic()
    said = b""
    try:
        async with asyncio.timeout(limit):
            while part := await reader.read(65536):
                said += part
    except TimeoutError:
        return None, said
    except ConnectionError:
        pass
    return time.monotonic() - began, said


async def slowly(writer, data, pause):
    try:
        for byte in data:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(pause)
    except ConnectionError:
        pass


async def slow_clients(server):
    """Who is slow, or says nothing, is cut off; how long it took, by what it did."""

    async def client(data, pause, limit, first=b""):
        reader, writer = await opened(server.port)
        writer.write(first)
        sending = asyncio.create_task(slowly(writer, data, pause))
        result = await closed_after(reader, limit)
        sending.cancel()
        writer.close()
        return result

    async def never_reads():
        # Asks for more than fits on the way, and reads none of it.
        reader, writer = await opened(server.port)
        writer.transport.pause_reading()
        began, asked = time.monotonic(), b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 1000
        try:
            async with asyncio.timeout(60):
                while True:
                    writer.write(asked)
                    await writer.drain()
        except TimeoutError:
            return None, b""
        except ConnectionError:
            return time.monotonic() - began, b""
        finally:
            writer.transport.abort()

    head = post(b"", length=1000)
    waits = {
        "silence": client(b"", 0, 20),
        "slow headers": client(b"GET /healthz HTTP/1.1\r\nHost: " + b"x" * 1000, 0.5, 20),
        "slow body": client(b" " * 1000, 0.5, 60, head),
        "half a body": client(b"", 0, 60, head + b" " * 500),
        "after an answer": client(b"", 0, 20, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"),
        "never reads": never_reads(),
    }
    return dict(zip(waits, await asyncio.gather(*waits.values())))


def cuts_off_who_is_slow(server, folder):
    files = server.open_files()
    results = asyncio.run(slow_clients(server))
    print({name: (seconds and round(seconds, 1), said[:12]) for name, (seconds, said) in results.items()})
    for name, (seconds, _) in results.items():
        longest = 45 if name in ("slow body", "half a body", "never reads") else 20
        assert seconds is not None and seconds < longest, f"{name}: {seconds} s"
    assert b" 408 " in results["half a body"][1]
    healthy(server)
    wait_until("files are closed", lambda: server.open_files() <= files + 2)


def bounds_bodies(server, folder):
    """Bodies that nobody has signed take no more memory than all bodies may."""
    before = server.memory()

    async def flood():
        streams = [await opened(server.port) for _ in range(900)]
        body = b" " * (MIB - 10)
        for _, writer in streams:
            writer.write(post(b"", length=MIB) + body)
        await asyncio.sleep(3)
        return server.memory(), streams

    async def whole():
        most, streams = await flood()
        for _, writer in streams:
            writer.transport.abort()
        return most

    grown = (asyncio.run(whole()) - before) / MIB
    print(f"900 bodies: {grown:.0f} MiB more")
    healthy(server)
    assert grown < 200, f"{grown:.0f} MiB"


def bears_many_connections(server, folder):
    """Ten thousand: as many as allowed are kept, the others are told to come back, and all is as before."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (20_000, 20_000))
    healthy(server)
    files, memory = server.open_files(), server.memory()

    async def many():
        loop = asyncio.get_running_loop()
        kept = Client(server)
        answers, streams = [], []

        async def one():
            try:
                reader, writer = await opened(server.port)
                writer.write(b"POST / HTTP/1.1\r\nHost: x\r\n")
                streams.append(writer)
                return (await reader.read(12))[9:12]
            except OSError as error:
                return type(error).__name__

        def ask():
            began = time.monotonic()
            try:
                assert kept.call("ListForecasts")[0] == 200
            except (ConnectionError, OSError) as error:
                return error
            return time.monotonic() - began

        # One who was there before is answered all the while.
        answers.append(await loop.run_in_executor(None, ask))
        began = time.monotonic()
        tasks = [asyncio.create_task(one()) for _ in range(CONNECTIONS)]
        most, done, limit = 0, 0, KEPT + 50
        # Until only those wait that the server keeps, which it does for ten seconds.
        while CONNECTIONS - done > limit and time.monotonic() - began < 60:
            await asyncio.sleep(0.2)
            done = sum(task.done() for task in tasks)
            answers.append(await loop.run_in_executor(None, ask))
            most = max(most, server.memory())
        took = time.monotonic() - began
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        open_files = server.open_files()
        for writer in streams:
            writer.transport.abort()
        return answers, ends, most, open_files, took

    answers, ends, most, open_files, took = asyncio.run(many())
    told = sum(end == b"503" for end in ends)
    slowest = max(answer if isinstance(answer, float) else 99 for answer in answers)
    print(
        f"{CONNECTIONS} connections in {took:.1f} s: {told} were told 503, {open_files} files open, "
        f"{(most - memory) / MIB:.0f} MiB more; slowest answer meanwhile {slowest:.2f} s"
    )
    assert told >= 0.8 * CONNECTIONS, (told, ends[:5])
    assert open_files < 1_200, open_files
    assert most - memory < 100 * MIB, most - memory
    assert slowest < 1, answers
    healthy(server)
    wait_until("files are closed", lambda: server.open_files() <= files + 2)
    assert server.memory() - memory < 60 * MIB, server.memory() - memory


def ends(server):
    assert "panicked" not in server.log.read_text()
    code = server.terminate()
    assert code == 143, code


def speaks_tls(folder):
    """boto3 with the certificate; whoever speaks no TLS, or an old one, is cut off."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    words += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    subprocess.run([*words, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    sample(folder / "data/sales", 10)
    with Server(folder, "--tls-cert", certificate, "--tls-key", key) as server:
        assert server.url.startswith("https://"), server.url
        import boto3

        session = boto3.Session(KEY, SECRET, region_name="us-east-1")
        with_certificate = {"endpoint_url": server.url, "verify": str(certificate)}
        client = session.client("forecast", **with_certificate)
        arn = client.create_forecast_export_job(**creation("tls", "s3://exports/tls"))["ForecastExportJobArn"]
        wait_until("an end", lambda: client.describe_forecast_export_job(ForecastExportJobArn=arn)["Status"] == "ACTIVE")
        listed = session.client("s3", **with_certificate).list_objects_v2(Bucket="exports", Prefix="tls/")
        assert {item["Key"].rsplit("/")[-1] for item in listed["Contents"]} >= {"_CHECK", "_SUCCESS"}, listed
        assert b"HTTP/1.1 200" not in exchange(server.port, get(), 3)
        for version, is_fine in ((ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_3, True)):
            context = ssl.create_default_context(cafile=certificate)
            with warnings.catch_warnings():
                # An old version is what is to be refused.
                warnings.simplefilter("ignore")
                context.minimum_version = context.maximum_version = version
            try:
                with socket.create_connection(("127.0.0.1", server.port)) as plain, context.wrap_socket(plain, server_hostname="127.0.0.1"):
                    found = True
            except ssl.SSLError:
                found = False
            assert found == is_fine, version
        trusting_others = ssl.create_default_context()
        try:
            urllib.request.urlopen(f"{server.url}/healthz", context=trusting_others)
            raise AssertionError("anyone is trusted")
        except urllib.error.URLError:
            pass
        # A handshake that does not begin.
        began = time.monotonic()
        exchange(server.port, b"", 20)
        assert 5 < time.monotonic() - began < 15
        assert server.terminate() == 143


def guards_the_page(folder):
    """Where others can reach it, the page asks for a key pair; the API asks for signatures as ever."""
    sample(folder / "data/sales", 10)
    with Server(folder, listen="0.0.0.0:0") as server:
        # By loopback or not: who asks is not what counts.
        hosts = {"127.0.0.1"} | {address[4][0] for address in socket.getaddrinfo(socket.gethostname(), 80, socket.AF_INET)}
        for host in hosts:
            base = f"http://{host}:{server.port}"
            for path in ("/", "/metrics"):
                assert status_of(base + path) == 401
                assert status_of(base + path, f"{KEY}:{SECRET}") == 200
                for pair in (f"{KEY}:x", f"x:{SECRET}", f"{KEY}:", ":", "", KEY, f"{KEY}:{SECRET}x", f"{KEY}:{SECRET}\n"):
                    assert status_of(base + path, pair) == 401, pair
            assert status_of(base + "/healthz") == 200
        with Client(server) as client:
            assert client.send("POST", "/", b"{}", {"X-Amz-Target": "AmazonForecast.ListForecasts"})[0] == 400
            assert client.call("ListForecasts")[0] == 200


def status_of(url, pair=None):
    request = urllib.request.Request(url)
    if pair is not None:
        request.add_header("Authorization", "Basic " + base64.b64encode(pair.encode()).decode())
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="hostile.") as name, Server(pathlib.Path(name)) as shared:
        folder = pathlib.Path(name)
        sample(folder / "data/sales", 10)
        sample(folder / "data/large", 2000, steps="100")
        check("wrong and stale signatures are refused, and logged", lambda _: refuses_signatures(shared, folder))
        for what, (sent, status, text) in MALFORMED.items():
            check(f"{what} is refused", lambda _: is_refused(shared, what, sent, status, text))
        check("no destination leads out of its bucket", lambda _: keeps_paths_within(shared, folder))
        check("no key leads out of its bucket", lambda _: shows_nothing_outside(shared, folder))
        check("ten thousand connections leave nothing behind", lambda _: bears_many_connections(shared, folder))
        check("bodies that nobody signed take little memory", lambda _: bounds_bodies(shared, folder))
        check("who is slow is cut off", lambda _: cuts_off_who_is_slow(shared, folder))
        check("the server has not panicked, and ends as asked", lambda _: ends(shared))
    check("TLS", speaks_tls)
    check("a page that others can reach asks for a key pair", guards_the_page)
    finish()
