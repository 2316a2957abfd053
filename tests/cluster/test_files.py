"""The files that bring a cluster up: valid for Ray or KubeRay, and closed to strangers."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

PROJECT = Path(__file__).parents[2]
LAUNCHER_FILES = ("cluster.yaml", "deploy/onprem.yaml")
FILES = (*LAUNCHER_FILES, "deploy/kuberay.yaml")
CONSTRAINTS = (PROJECT / "constraints.txt").read_text(encoding="utf-8")
RAY_VERSION = re.search(r"^ray==(\S+)$", CONSTRAINTS, re.MULTILINE)[1]


def text(file: str) -> str:
    return (PROJECT / file).read_text(encoding="utf-8")


def read(file: str) -> dict[str, Any]:
    return yaml.safe_load(text(file))


def start_commands(config: dict[str, Any]) -> dict[str, str]:
    """Return the commands that start Ray on the head and on a worker."""
    found = {}
    for where in ("head", "worker"):
        commands = config[f"{where}_start_ray_commands"]
        (found[where],) = [command for command in commands if "ray start" in command]
    return found


@pytest.mark.parametrize("file", LAUNCHER_FILES)
def test_ray_accepts_the_file(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)  # the paths of file_mounts are relative to it
    validate_config(prepare_config(read(file)))


@pytest.mark.parametrize("file", LAUNCHER_FILES)
def test_mounted_files_exist(file: str) -> None:
    mounts = read(file)["file_mounts"]
    sources = {source for source in mounts.values() if not source.startswith("~")}
    assert all((PROJECT / source).exists() for source in sources)
    # An installation needs all of these and no other folder.
    needed = {"pyproject.toml", "constraints.txt", "README.md", "LICENSE"}
    assert sources == needed | {"lenet", "search_spaces", "study"}


@pytest.mark.parametrize("file", FILES)
def test_nothing_listens_on_all_addresses(file: str) -> None:
    assert "0.0.0.0" not in text(file)


@pytest.mark.parametrize("file", LAUNCHER_FILES)
def test_ray_is_started_with_doors_locked(file: str) -> None:
    config = prepare_config(read(file))
    for command in start_commands(config).values():
        before, start = command.split("ray start", 1)
        assert re.search(r"export [^;]*\bRAY_AUTH_MODE=token\b", before)
        assert "--dashboard-host=127.0.0.1" in start or "--head" not in start
        assert "--ray-client-server-port" not in start
    assert config["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    assert "chmod 600 ~/.ray/auth_token" in config["setup_commands"]
    # Also in the driver's shell: a client without a token is refused.
    assert any("RAY_AUTH_MODE=token" in c and ".bashrc" in c for c in config["setup_commands"])


@pytest.mark.parametrize("file", LAUNCHER_FILES)
def test_head_and_workers_agree_on_the_ports(file: str) -> None:
    start = start_commands(read(file))
    assert "--port=6379" in start["head"]
    assert "--address=$RAY_HEAD_IP:6379" in start["worker"]
    assert re.findall(r"--object-manager-port=\d+", start["head"]) == re.findall(
        r"--object-manager-port=\d+", start["worker"]
    )


@pytest.mark.parametrize("file", LAUNCHER_FILES)
def test_ray_has_the_version_of_the_constraints(file: str) -> None:
    """Ray's own defaults would install a nightly build."""
    config = prepare_config(read(file))
    commands = [
        *config["initialization_commands"],
        *config["setup_commands"],
        *config["head_setup_commands"],
        *config["worker_setup_commands"],
    ]
    installs = [command for command in commands if "pip install" in command]
    assert installs
    assert all("-c ~/lenet-study/constraints.txt" in command for command in installs)
    assert not any("ray-wheels" in command or "ray[" in command for command in commands)


def test_the_versions_in_kuberay_yaml() -> None:
    found = re.findall(r"(?:rayVersion: |rayproject/ray:|lenet-study:)\"?([\d.]+)", text(FILES[2]))
    assert len(found) == 8
    assert set(found) == {RAY_VERSION}


def test_the_security_group_lets_in_only_ssh() -> None:
    pytest.importorskip("boto3", reason="Ray's rules for AWS are imported with boto3")
    from ray.autoscaler._private.aws.config import _create_default_inbound_rules

    group = read("cluster.yaml")["provider"]["security_group"]
    rules = _create_default_inbound_rules(["sg-us"], group.get("IpPermissions", []))
    from_outside = [rule for rule in rules if "IpRanges" in rule or "Ipv6Ranges" in rule]
    assert [(rule["FromPort"], rule["ToPort"]) for rule in from_outside] == [(22, 22)]
    inside = [rule for rule in rules if rule not in from_outside]
    assert [[pair["GroupId"] for pair in rule["UserIdGroupPairs"]] for rule in inside] == [
        ["sg-us"]
    ]


def test_no_rule_is_added_to_rays_security_group() -> None:
    provider = read("cluster.yaml")["provider"]
    assert provider["security_group"] == {"GroupName": "lenet-study"}
    types = read("cluster.yaml")["available_node_types"].values()
    # Or an instance would be in other groups as well.
    assert not any("SecurityGroupIds" in node["node_config"] for node in types)
    assert not any("NetworkInterfaces" in node["node_config"] for node in types)


def test_there_are_no_idle_workers() -> None:
    config = prepare_config(read("cluster.yaml"))
    types = config["available_node_types"]
    head = types.pop(config["head_node_type"])
    assert "GPU" not in head["resources"]
    assert "InstanceMarketOptions" not in head["node_config"]  # a spot instance may be taken away
    assert {name: node["min_workers"] for name, node in types.items()} == dict.fromkeys(types, 0)
    assert {node["resources"]["GPU"] for node in types.values()} == {1, 4}
    assert config["max_workers"] == sum(node["max_workers"] for node in types.values())
    spot = {name for name, node in types.items() if "InstanceMarketOptions" in node["node_config"]}
    assert spot == {"one_gpu"}
    assert 0 < config["idle_timeout_minutes"] <= 10
    assert config["provider"]["cache_stopped_nodes"] is False


class _CloudFormation(yaml.SafeLoader):
    """Reads short forms of functions, such as `!Ref NAME`, as (function, argument)."""


def _function(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> tuple[str, str]:
    assert isinstance(node, yaml.ScalarNode)
    return suffix, loader.construct_scalar(node)


_CloudFormation.add_multi_constructor("!", _function)


def test_the_instances_have_the_roles_of_the_stack() -> None:
    stack = yaml.load(text("deploy/aws.yaml"), _CloudFormation)["Resources"]
    profiles = {
        found["Properties"]["InstanceProfileName"]: stack[found["Properties"]["Roles"][0][1]]
        for found in stack.values()
        if found["Type"] == "AWS::IAM::InstanceProfile"
    }
    config = read("cluster.yaml")
    used = {
        name: kind["node_config"]["IamInstanceProfile"]["Name"]
        for name, kind in config["available_node_types"].items()
    }
    assert set(used.values()) == set(profiles)
    workers = {profile for name, profile in used.items() if name != config["head_node_type"]}
    for profile in workers:  # whoever takes over a worker gets only the results
        allowed = profiles[profile]["Properties"]
        assert allowed["ManagedPolicyArns"] == [("Ref", "ReadAndWriteResults")]
        assert "Policies" not in allowed
    closed = stack["Results"]["Properties"]["PublicAccessBlockConfiguration"]
    assert set(closed.values()) == {True}


# Fields of KubeRay 1.5.1 that are used here, and their neighbors. Source, in
# github.com/ray-project/kuberay: ray-operator/apis/ray/v1/{raycluster,rayjob}_types.go (also
# docs/reference/api.md), and for authOptions ray-operator/config/samples/ray-cluster.auth.yaml.
# Copied by hand: the CustomResourceDefinition itself is 1.3 MB and in no package.
ANY: dict[str, Any] = {}
RESOURCES = {"limits": ANY, "requests": ANY}
CONTAINER = {
    "name": str,
    "image": str,
    "env": list,
    "ports": list,
    "resources": RESOURCES,
    "volumeMounts": [{"name": str, "mountPath": str, "readOnly": bool, "subPath": str}],
}
TEMPLATE = {
    "metadata": ANY,
    "spec": {
        "containers": [CONTAINER],
        "securityContext": {"fsGroup": int, "runAsUser": int, "runAsGroup": int},
        "nodeSelector": ANY,
        "tolerations": list,
        "volumes": [{"name": str, "persistentVolumeClaim": {"claimName": str, "readOnly": bool}}],
    },
}
CLUSTER = {
    "rayVersion": str,
    "authOptions": {"mode": str, "secretName": str},
    "enableInTreeAutoscaling": bool,
    "autoscalerOptions": {
        "idleTimeoutSeconds": int,
        "upscalingMode": str,
        "resources": RESOURCES,
        "env": list,
        "image": str,
        "version": str,
    },
    "headServiceAnnotations": ANY,
    "headGroupSpec": {
        "serviceType": str,
        "enableIngress": bool,
        "rayStartParams": ANY,
        "template": TEMPLATE,
    },
    "workerGroupSpecs": [
        {
            "groupName": str,
            "replicas": int,
            "minReplicas": int,
            "maxReplicas": int,
            "numOfHosts": int,
            "rayStartParams": ANY,
            "template": TEMPLATE,
        }
    ],
}
JOB = {
    "entrypoint": str,
    "shutdownAfterJobFinishes": bool,
    "ttlSecondsAfterFinished": int,
    "activeDeadlineSeconds": int,
    "backoffLimit": int,
    "submissionMode": str,
    "runtimeEnvYAML": str,
    "rayClusterSpec": CLUSTER,
}
CLAIM = {"accessModes": list, "storageClassName": str, "resources": {"requests": ANY}}
KINDS = {
    ("v1", "PersistentVolumeClaim"): CLAIM,
    ("ray.io/v1", "RayCluster"): CLUSTER,
    ("ray.io/v1", "RayJob"): JOB,
}


def faults(found: Any, fields: Any, path: str) -> list[str]:
    """List where `found` has an unknown field, or a value of the wrong type."""
    if isinstance(fields, type):
        # `isinstance(True, int)` is true in Python.
        return [] if type(found) is fields else [f"{path} is not a {fields.__name__}"]
    if isinstance(fields, list):
        if not isinstance(found, list):
            return [f"{path} is not a list"]
        return [f for i, one in enumerate(found) for f in faults(one, fields[0], f"{path}[{i}]")]
    if not isinstance(found, dict):
        return [f"{path} has no fields"]
    if fields is ANY:
        return []
    unknown = [f"{path}.{name} is unknown" for name in found if name not in fields]
    known = [name for name in found if name in fields]
    return unknown + [
        f for name in known for f in faults(found[name], fields[name], f"{path}.{name}")
    ]


def kuberay() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(text("deploy/kuberay.yaml")))


def test_the_fields_of_kuberay_yaml() -> None:
    for document in kuberay():
        kind = (document["apiVersion"], document["kind"])
        assert faults(document["spec"], KINDS[kind], document["kind"]) == []
    assert {document["kind"] for document in kuberay()} == {kind for _, kind in KINDS}


def test_a_wrong_field_is_found() -> None:
    cluster = kuberay()[1]["spec"]
    cluster["workerGroupSpecs"][0]["minWorkers"] = 0
    cluster["enableInTreeAutoscaling"] = "true"
    assert faults(cluster, CLUSTER, "RayCluster") == [
        "RayCluster.enableInTreeAutoscaling is not a bool",
        "RayCluster.workerGroupSpecs[0].minWorkers is unknown",
    ]


def test_kuberay_yaml_is_closed_to_strangers() -> None:
    documents = kuberay()
    clusters = [documents[1]["spec"], documents[2]["spec"]["rayClusterSpec"]]
    for cluster in clusters:
        assert cluster["authOptions"] == {"mode": "token"}
        head = cluster["headGroupSpec"]
        assert head["serviceType"] == "ClusterIP"
        assert not head.get("enableIngress")
        for group in (head, *cluster["workerGroupSpecs"]):
            # Kubernetes and the operator accept only strings here.
            assert all(isinstance(value, str) for value in group["rayStartParams"].values())
            claims = [v["persistentVolumeClaim"] for v in group["template"]["spec"]["volumes"]]
            assert claims == [{"claimName": documents[0]["metadata"]["name"]}]
    assert clusters[0]["headGroupSpec"]["rayStartParams"]["dashboard-host"] == "127.0.0.1"
    assert {group["minReplicas"] for group in clusters[0]["workerGroupSpecs"]} == {0}
