"""``ray_cluster.yaml`` is what Ray's launcher takes, by Ray's own offline validation."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
jsonschema: Any = pytest.importorskip("jsonschema")  # comes with Ray


@pytest.fixture
def validated() -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Fill in Ray's defaults and validate, as ``ray up`` does before it contacts a machine."""
    util = pytest.importorskip("ray.autoscaler._private.util")

    def validate(config: dict[str, Any]) -> dict[str, Any]:
        prepared: dict[str, Any] = util.prepare_config(config)
        util.validate_config(prepared)
        return prepared

    return validate


def cluster() -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((ROOT / "ray_cluster.yaml").read_text(encoding="utf-8"))
    return config


def test_rays_launcher_accepts_the_cluster_file(validated: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    config = validated(cluster())
    assert config["provider"]["type"] == "local"
    assert config["head_node_type"] in config["available_node_types"]
    assert config["max_workers"] == len(config["provider"]["worker_ips"])


def test_rays_launcher_refuses_a_key_it_does_not_know(validated: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    with pytest.raises(jsonschema.ValidationError, match="playtower_hosts"):
        validated(cluster() | {"playtower_hosts": 6})


def test_rays_launcher_refuses_a_cluster_without_a_provider(
    validated: Callable[[dict[str, Any]], dict[str, Any]],
) -> None:
    config = cluster()
    del config["provider"]
    with pytest.raises((jsonschema.ValidationError, ValueError, KeyError)):
        validated(config)


def test_the_cluster_serves_on_its_own_ray_and_a_shared_store() -> None:
    commands = cluster()["head_start_ray_commands"]
    (serve,) = [command for command in commands if "playtower serve" in command]
    assert "--ray-address auto" in serve
    assert "--redis-url" in serve


def test_every_ray_of_the_cluster_asks_for_the_token() -> None:
    config = cluster()
    starts = [c for key in ("head", "worker") for c in config[f"{key}_start_ray_commands"] if "ray start" in c]
    assert len(starts) == 2
    assert all("RAY_AUTH_MODE=token" in start for start in starts)


def test_the_kubernetes_example_is_a_ray_cluster_of_the_pinned_version() -> None:
    documents = list(yaml.safe_load_all((ROOT / "examples/deploy/kuberay.yaml").read_text(encoding="utf-8")))
    (ray_cluster,) = [document for document in documents if document["kind"] == "RayCluster"]
    assert ray_cluster["apiVersion"] == "ray.io/v1"
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert f"ray=={ray_cluster['spec']['rayVersion']}" in pins
    assert ray_cluster["spec"]["authOptions"]["mode"] == "token"
