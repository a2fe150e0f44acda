"""Exports behind a server that loads versions as TensorFlow Serving does."""

import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from support.small import small_vae

import tfvae

pytest.importorskip(
    "tensorflow_serving", reason="the client's messages are in tensorflow-serving-api"
)

import grpc
from support.messages import Client, prediction_log_pb2, request
from support.prediction_server import WARM_UP, Server, serving

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="the wheel for Windows ships no libtensorflow_cc"
)

SEED = np.array([5, 9], np.int32)
SAMPLES = 16
CLIENTS = 4
X = np.random.default_rng(1).integers(0, 2, (5, 6)).astype(np.float32)
Z = np.random.default_rng(2).normal(size=(4, 3)).astype(np.float32)


def cases(vae: tfvae.VAE) -> dict[str, tuple[dict, dict]]:
    """Inputs of each signature and what the Keras model says."""
    q, p = vae.encode(X), vae.decode(Z)
    outputs = {
        "encode": ({"x": X}, {"mean": q.mean(), "stddev": q.stddev()}),
        "decode": ({"z": Z}, {"mean": p.mean(), "logits": p.distribution.logits}),
        "reconstruct": ({"x": X}, {"mean": vae.reconstruct(X)}),
        "sample": (
            {"num_samples": np.array(7, np.int32), "seed": SEED},
            {"x": vae.sample(7, seed=SEED)},
        ),
        "elbo": (
            {"x": X, "seed": SEED},
            {"elbo": vae.elbo(X, seed=SEED), "kl": q.kl_divergence(vae.prior)},
        ),
        "log_prob": (
            {"x": X, "seed": SEED},
            {"log_prob": vae.log_prob(X, SAMPLES, seed=SEED)},
        ),
    }
    return {
        name: (inputs, {key: np.asarray(value) for key, value in wanted.items()})
        for name, (inputs, wanted) in outputs.items()
    }


def assert_answers(name: str, outputs: dict, wanted: dict) -> None:
    nats = name in ("elbo", "log_prob")
    for key, want in wanted.items():
        np.testing.assert_allclose(
            outputs[key],
            want,
            rtol=1e-4 if nats else 1e-5,
            atol=0 if nats else 1e-5,
            err_msg=f"{name}, {key}",
        )


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited for a minute"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def vae() -> tfvae.VAE:
    return small_vae()


@pytest.fixture(scope="module")
def exported(vae: tfvae.VAE, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "1"
    vae.export(path, num_samples=SAMPLES)
    return path


@pytest.fixture(scope="module")
def base(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a server watches. A test leaves it as it was: version 1 alone."""
    base = tmp_path_factory.mktemp("models") / "small"
    shutil.copytree(exported, base / "1")
    return base


@pytest.fixture(scope="module")
def server(base: Path) -> Iterator[Server]:
    with serving(base, "--poll-seconds", "0.1") as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server.port, "small") as client:
        yield client


def states(client: Client) -> dict[int, str]:
    return {number: status.state for number, status in client.status().items()}


def test_every_signature_answers_as_the_model_does(vae, client) -> None:
    for name, (inputs, wanted) in cases(vae).items():
        version, outputs = client.predict(name, inputs)
        assert version == 1
        assert_answers(name, outputs, wanted)
    _, outputs = client.predict("", {"x": X})
    assert_answers("reconstruct", outputs, cases(vae)["reconstruct"][1])


def test_one_version_follows_another_under_load(vae, exported, tmp_path) -> None:
    """Four clients ask while version 2 is exported; no answer is lost or mixed."""
    base = tmp_path / "rolling"
    shutil.copytree(exported, base / "1")
    newer = small_vae(seed=7)
    wanted = {1: cases(vae), 2: cases(newer)}
    for name in wanted[1]:
        with pytest.raises(AssertionError, match="Not equal"):
            assert_answers(name, wanted[1][name][1], wanted[2][name][1])

    def ask(first: int) -> list[int]:
        names, versions = list(wanted[1]), []
        with Client(server.port, "rolling") as client:
            while versions.count(2) < 40 and not failed.is_set():
                name = names[(first + len(versions)) % len(names)]
                version, outputs = client.predict(name, wanted[1][name][0])
                assert_answers(name, outputs, wanted[version][name][1])
                versions.append(version)
                # The export goes on beside them on the same cores.
                time.sleep(0.02)
        return versions

    failed = threading.Event()
    with (
        serving(base, "--poll-seconds", "0.1") as server,
        futures.ThreadPoolExecutor(CLIENTS) as pool,
    ):
        asked = [pool.submit(ask, first) for first in range(CLIENTS)]
        try:
            newer.export(base / "2", num_samples=SAMPLES)
            until(lambda: all(future.done() for future in asked))
        finally:
            failed.set()
        for future in asked:
            versions = future.result()
            assert versions == sorted(versions)
            assert versions.count(1) > 10
        with Client(server.port, "rolling") as client:
            assert states(client) == {1: "END", 2: "AVAILABLE"}
            assert not any(status.error for status in client.status().values())


def test_what_is_no_version_is_passed_over(base, exported, client) -> None:
    """Among it is what an export writes to before it renames."""
    hidden = base / ".partial-k3j9" / "2"
    hidden.mkdir(parents=True)
    shutil.copy(exported / "saved_model.pb", hidden)
    shutil.copytree(hidden, base / "tmp")
    shutil.copytree(hidden, base / "2.partial")
    (base / "notes.txt").write_text("not a model", "utf-8")
    (base / "3").write_text("not a folder", "utf-8")
    try:
        before = states(client)
        for _ in range(10):
            assert client.predict("encode", {"x": X})[0] == 1
            time.sleep(0.05)
        assert states(client) == before
    finally:
        for name in (hidden.parent.name, "tmp", "2.partial"):
            shutil.rmtree(base / name)
        for name in ("notes.txt", "3"):
            (base / name).unlink()


def test_a_half_written_version_fails_and_the_one_before_answers(
    base, exported, client
) -> None:
    """What would happen to an export that wrote in place."""
    (base / "20").mkdir()
    try:
        graph = (exported / "saved_model.pb").read_bytes()
        (base / "20" / "saved_model.pb").write_bytes(graph[: len(graph) // 2])
        until(lambda: 20 in client.status())
        state, error = client.status()[20]
        assert state == "END"
        assert error
        assert client.predict("encode", {"x": X})[0] == 1
    finally:
        shutil.rmtree(base / "20")


@pytest.mark.parametrize("signature", ["log_prob", "no_such_signature"])
def test_warm_up_requests_are_sent_first(base, exported, client, signature) -> None:
    """A version answers after them, and not at all if one of them fails."""
    number = {"log_prob": 30, "no_such_signature": 31}[signature]
    version = shutil.copytree(exported, base / f".{number}")
    (version / WARM_UP).parent.mkdir(exist_ok=True)
    message = prediction_log_pb2.PredictionLog()
    message.predict_log.request.CopyFrom(
        request("small", signature, {"x": X, "seed": SEED})
    )
    with tf.io.TFRecordWriter(str(version / WARM_UP)) as writer:
        writer.write(message.SerializeToString())
        writer.write(message.SerializeToString())
    version.rename(base / str(number))
    try:
        until(lambda: number in client.status())
        answering, _ = client.predict("encode", {"x": X})
        if signature == "log_prob":
            assert answering == number
        else:
            assert answering == 1
            assert "no signature 'no_such" in client.status()[number].error
    finally:
        shutil.rmtree(base / str(number))
    # Rolled back: the highest version is the first one again.
    until(lambda: states(client)[1] == "AVAILABLE")
    assert client.predict("encode", {"x": X})[0] == 1


@pytest.mark.parametrize(
    ("signature", "inputs", "reason"),
    [
        ("nothing", {"x": X}, r"no signature 'nothing'.*'encode'"),
        ("elbo", {"x": X}, r"expected inputs \['seed', 'x'\], received \['x'\]"),
        ("encode", {"x": X.astype("float64")}, "expected float32, received float64"),
        ("encode", {"x": X[:, :4]}, "Matrix size-incompatible"),
    ],
)
def test_a_bad_request_is_refused_and_the_next_one_answered(
    client, signature, inputs, reason
) -> None:
    with pytest.raises(grpc.RpcError, match=reason) as error:
        client.predict(signature, inputs)
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert client.predict("encode", {"x": X})[1]["mean"].shape == (5, 3)
