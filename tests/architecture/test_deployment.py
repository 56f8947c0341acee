"""What is in deploy/ passes its linters, agrees with itself, and asks of the code what the code has.

There is no container engine behind these tests: nothing is built or started.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sysconfig
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer
import yaml
from fastapi import FastAPI

from smar.cli import app
from smar.retrieval.engines.milvus.address import MilvusAddress
from smar.serving.config import ServeConfig
from smar.serving.running import _SECONDS_TO_WRITE
from smar.serving.state_routes import add_state

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
MANIFESTS = sorted(
    set((DEPLOY / "kubernetes").glob("*.yaml")) - {DEPLOY / "kubernetes" / "kustomization.yaml"}
)
TEXTS = [ROOT / ".dockerignore", *sorted(path for path in DEPLOY.rglob("*") if path.is_file())]
OURS = ("smar", "index")
"""The services of the compose file that run our image."""
COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
YAML_STYLE = """
extends: default
rules:
  line-length: {max: 120}
  document-start: disable
"""


def lint(tool: str, *arguments: str | Path) -> None:
    """Fail with what a linter says."""
    program = Path(sysconfig.get_path("scripts")) / tool
    found = subprocess.run(
        [program, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr


class Instruction(NamedTuple):
    """One instruction of the Dockerfile; `stage` counts its FROM lines."""

    stage: int
    name: str
    words: str


def instructions() -> list[Instruction]:
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"), flags=re.M)
    found, stage = [], 0
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip():
            name, words = line.split(None, 1)
            stage += name == "FROM"
            found.append(Instruction(stage, name, " ".join(words.split())))
    return found


def in_the_image(name: str) -> list[str]:
    """What instructions of that name say in the last stage, which is the image."""
    found = instructions()
    return [one.words for one in found if one.name == name and one.stage == found[-1].stage]


def variables_of_the_image() -> dict[str, str]:
    return dict(word.split("=", 1) for words in in_the_image("ENV") for word in shlex.split(words))


def command_of_the_image() -> list[str]:
    (entry,), (command,) = in_the_image("ENTRYPOINT"), in_the_image("CMD")
    return [*json.loads(entry), *json.loads(command)]


def filled(value: Any) -> Any:
    """A part of the compose file with every variable at its default."""
    if isinstance(value, str):
        return re.sub(r"\$\{\w+(?::-([^}]*)|:\?[^}]*)\}", lambda match: match[1] or "", value)
    if isinstance(value, list):
        return [filled(one) for one in value]
    return {name: filled(one) for name, one in value.items()} if isinstance(value, dict) else value


@cache
def compose() -> dict[str, Any]:
    read: dict[str, Any] = filled(yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8")))
    return read


@cache
def kustomization() -> dict[str, Any]:
    path = DEPLOY / "kubernetes" / "kustomization.yaml"
    read: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return read


@cache
def manifests() -> dict[str, list[dict[str, Any]]]:
    """Manifests by their kind."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in MANIFESTS:
        for one in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            found.setdefault(one["kind"], []).append(one)
    return found


def only(kind: str) -> dict[str, Any]:
    (one,) = manifests()[kind]
    return one


def templates() -> dict[str, dict[str, Any]]:
    """Templates of pods: of the service, and of the job that indexes."""
    return {
        "service": only("Deployment")["spec"]["template"],
        "index": only("CronJob")["spec"]["jobTemplate"]["spec"]["template"],
    }


def container(template: Mapping[str, Any]) -> dict[str, Any]:
    (one,) = template["spec"]["containers"]
    assert not template["spec"].get("initContainers")
    found: dict[str, Any] = one
    return found


def image_in_the_cluster(name: str) -> str:
    """What kustomize makes of an image's name."""
    (known,) = [one for one in kustomization()["images"] if one["name"] == name]
    return f"{known['newName']}:{known['newTag']}"


def values_in_the_cluster() -> dict[str, str]:
    """What kustomize puts into the ConfigMap, by key; of files their names."""
    (made,) = kustomization()["configMapGenerator"]
    assert made["name"] == "smar"
    return {file: file for file in made["files"]} | dict(one.split("=", 1) for one in made["literals"])


def understood(words: Sequence[str]) -> dict[str, Any]:
    """The values of a command line of ours; fails where it has no such command or option."""
    program, command, *rest = words
    assert program == "smar"
    values: dict[str, Any] = COMMANDS[command].make_context(f"smar {command}", list(rest)).params
    return values


def command_lines() -> Iterator[tuple[str, list[str]]]:
    """Every command of ours that is deployed."""
    yield "Dockerfile", command_of_the_image()
    (entry,) = in_the_image("ENTRYPOINT")
    for name in OURS:
        if "command" in compose()["services"][name]:
            yield f"compose, {name}", [*json.loads(entry), *compose()["services"][name]["command"]]
    for name, template in templates().items():
        if "args" in container(template):
            yield f"kubernetes, {name}", [*json.loads(entry), *container(template)["args"]]
    for line in re.findall(r"`(smar (?:train|index|serve) [^`]+)`", readme()):
        yield "README.md", shlex.split(line)


def readme() -> str:
    return (DEPLOY / "README.md").read_text(encoding="utf-8")


def mounts() -> dict[str, dict[str, bool]]:
    """Where something is mounted, and whether it is read only, of every container that runs our image."""
    found = {
        f"kubernetes, {name}": {
            one["mountPath"]: one.get("readOnly", False) for one in container(template)["volumeMounts"]
        }
        for name, template in templates().items()
    }
    for name in OURS:
        volumes = compose()["services"][name]["volumes"]
        found[f"compose, {name}"] = {one["target"]: one.get("read_only", False) for one in volumes}
    return found


def is_writable(path: str, mounted: Mapping[str, bool]) -> bool:
    return any(Path(path).is_relative_to(place) and not fixed for place, fixed in mounted.items())


def constraint(name: str) -> str:
    found = re.search(rf"^{name}==(\S+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.M)
    assert found
    return found[1]


def project() -> dict[str, Any]:
    read: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return read


def test_hadolint_has_nothing_to_say_about_the_dockerfile() -> None:
    lint("hadolint", "--no-color", "--failure-threshold", "style", DEPLOY / "Dockerfile")


def test_the_compose_file_keeps_to_its_specification() -> None:
    lint("check-jsonschema", "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml")


def test_manifests_keep_to_the_schema_of_kubernetes() -> None:
    lint("kubernetes-validate", "--strict", *MANIFESTS)


def test_yamllint_has_nothing_to_say() -> None:
    lint("yamllint", "--strict", "--config-data", YAML_STYLE, DEPLOY)


def test_every_image_is_named_with_a_version() -> None:
    stages = {
        one.words.split(" AS ")[1] for one in instructions() if one.name == "FROM" and " AS " in one.words
    }
    bases = {one.words.split(" AS ")[0] for one in instructions() if one.name == "FROM"} - stages
    named = {container(template)["image"] for template in templates().values()}
    images = {one["image"] for one in compose()["services"].values()} | bases
    images |= {image_in_the_cluster(name) for name in named}
    assert len(images) > 4
    for image in images:
        assert re.search(r":[\w.-]*\d+[.-]\d+[.-]\d+[\w.-]*$", image), f"{image}: name a whole version"
    for path in TEXTS:
        assert ":latest" not in path.read_text(encoding="utf-8"), path


def test_our_image_has_the_version_of_the_package() -> None:
    wanted = f"smar:{project()['version']}"
    assert image_in_the_cluster("smar") == wanted
    assert {compose()["services"][name]["image"] for name in OURS} == {wanted}
    for path in TEXTS:
        for named in re.findall(r"\bsmar:\d[\w.]*", path.read_text(encoding="utf-8")):
            assert named == wanted, path


def test_versions_of_packages_are_those_of_the_constraints_and_stand_nowhere_else() -> None:
    installs = [one.words for one in instructions() if one.name == "RUN" and "pip install" in one.words]
    first = next(words for words in installs if "torch" in words)
    assert installs.index(first) == 0, "torch is installed before all that needs it"
    assert "\"$(grep '^torch==' constraints.txt)\"" in first
    for words in re.split(r"&&", " && ".join(installs)):
        if "pip install" in words:
            assert "constraints.txt" in words or "--no-deps" in words, words
    for path in TEXTS:
        assert constraint("torch") not in path.read_text(encoding="utf-8"), path


def test_the_image_has_what_serving_and_milvus_need() -> None:
    listed = " ".join(one.words for one in instructions() if one.name == "RUN")
    assert set(re.findall(r"extras\['(\w+)'\]", listed)) == {"serve", "milvus"}
    assert {"serve", "milvus"} <= project()["optional-dependencies"].keys()
    assert "pip check" in listed


def test_all_that_is_copied_gets_to_the_builder_and_nothing_else_does() -> None:
    first, *patterns = [
        line
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    assert first == "*"
    let_through = {line[1:] for line in patterns if line.startswith("!")}
    copied = {
        source.removeprefix("./")
        for one in instructions()
        if one.name == "COPY" and "--from" not in one.words
        for source in one.words.split()[:-1]
    }
    assert let_through == copied
    for source in copied:
        assert (ROOT / source).exists(), source


def test_our_containers_run_as_the_same_user_who_is_a_number_and_not_root() -> None:
    (user,) = in_the_image("USER")
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)
    assert {compose()["services"][name]["user"] for name in OURS} == {user}
    for name, template in templates().items():
        who = template["spec"]["securityContext"]
        assert f"{who['runAsUser']}:{who['runAsGroup']}" == user, name
        assert str(who["fsGroup"]) == user.split(":")[1], name
    (made,) = [words for words in in_the_image("RUN") if "useradd" in words]
    assert f"--uid {user.split(':')[0]} " in made


@pytest.mark.parametrize("name", ["service", "index"])
def test_a_pod_may_do_no_more_than_it_has_to(name: str) -> None:
    spec = templates()[name]["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not spec.keys() & {"hostNetwork", "hostPID", "hostIPC"}
    assert container(templates()[name])["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    resources = container(templates()[name])["resources"]
    assert resources["requests"].keys() == resources["limits"].keys() == {"cpu", "memory"}


@pytest.mark.parametrize("name", sorted(compose()["services"]))
def test_a_service_of_the_compose_file_has_limits_and_few_rights(name: str) -> None:
    service = compose()["services"][name]
    assert {"cpus", "mem_limit", "pids_limit"} <= service.keys()
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.keys() & {"privileged", "cap_add", "network_mode", "pid"}
    if name in OURS:
        assert service["read_only"] is True
        assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])
    else:
        assert service["networks"] == ["cluster"]
        assert "ports" not in service
    assert compose()["networks"]["cluster"] == {"internal": True}


def test_what_a_service_waits_for_says_whether_it_is_healthy() -> None:
    services = compose()["services"]
    for name, service in services.items():
        for other, wait in service.get("depends_on", {}).items():
            assert wait == {"condition": "service_healthy"}, name
            assert services[other]["healthcheck"]["test"][0] == "CMD", other
    assert {*services["smar"]["depends_on"]} == {*services["index"]["depends_on"]} == {"milvus"}
    assert {*services["milvus"]["depends_on"]} == {"etcd", "minio"}
    assert services["index"]["profiles"] == ["index"]
    assert not [name for name, service in services.items() if "profiles" in service and name != "index"]


def test_volumes_and_networks_of_the_compose_file_are_declared_and_used() -> None:
    volumes, networks = set(), set()
    for service in compose()["services"].values():
        networks |= set(service["networks"])
        for one in service.get("volumes", ()):
            if isinstance(one, str):
                volumes.add(one.split(":")[0])
            elif one["type"] == "volume":
                volumes.add(one["source"])
    assert volumes == compose()["volumes"].keys()
    assert networks == compose()["networks"].keys()


def test_folders_of_this_machine_are_variables_with_relative_defaults() -> None:
    read = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    bound = [
        one
        for service in read["services"].values()
        for one in service.get("volumes", ())
        if not isinstance(one, str) and one["type"] == "bind"
    ]
    assert len(bound) == 4
    for one in bound:
        assert re.fullmatch(r"\$\{SMAR_\w+:-\.\./[\w/-]+\}", one["source"]), one["source"]
        # A folder that is not there is an error, not a new folder of root's.
        assert one["bind"] == {"create_host_path": False}
    hosted = [
        path
        for template in templates().values()
        for path in template["spec"]["volumes"]
        if "hostPath" in path
    ]
    assert not hosted


def test_passwords_are_given_and_never_written() -> None:
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    for line in re.findall(r"^\s+\w*(?:PASSWORD|SECRET\w*|TOKEN): (.*)$", text, re.M):
        assert re.match(r"(&\w+ )?\$\{\w+:(\?.+|-)\}$|\*\w+$", line), line
    for template in templates().values():
        for one in container(template)["env"]:
            assert "value" not in one, one["name"]
    assert "Secret" not in manifests()


def test_what_selects_pods_selects_those_of_the_service_alone() -> None:
    labels = {name: template["metadata"]["labels"].items() for name, template in templates().items()}
    selectors = {
        "Deployment": only("Deployment")["spec"]["selector"]["matchLabels"],
        "Service": only("Service")["spec"]["selector"],
        "PodDisruptionBudget": only("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
    }
    for spread in templates()["service"]["spec"]["topologySpreadConstraints"]:
        selectors[spread["topologyKey"]] = spread["labelSelector"]["matchLabels"]
    assert len(selectors) == 5
    for name, selector in selectors.items():
        assert selector.items() <= labels["service"], name
        assert not selector.items() <= labels["index"], f"{name} takes the job that indexes for a replica"


def test_replicas_are_the_autoscalers_to_say_and_one_may_always_go() -> None:
    scaler, deployment = only("HorizontalPodAutoscaler")["spec"], only("Deployment")
    assert scaler["scaleTargetRef"] == {
        "apiVersion": deployment["apiVersion"],
        "kind": "Deployment",
        "name": deployment["metadata"]["name"],
    }
    assert "replicas" not in deployment["spec"], "each apply would set them back"
    assert 2 <= scaler["minReplicas"] < scaler["maxReplicas"]
    assert only("PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}


class Idle:
    """What routes of the state ask of a service before any request comes."""

    may_read: Sequence[Any] = ()
    may_write: Sequence[Any] = ()


def test_probes_ask_for_what_the_service_has() -> None:
    service = FastAPI()
    add_state(service, Idle())  # type: ignore[arg-type]
    paths = set(service.openapi()["paths"])
    one = container(templates()["service"])
    asked = {name: one[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert {name: probe["path"] for name, probe in asked.items()} == {
        "startup": "/health",
        "liveness": "/health",
        "readiness": "/ready",
    }
    (check,) = in_the_image("HEALTHCHECK")
    (health,) = re.findall(r"http://127\.0\.0\.1:\d+(/\w+)", check)
    assert {health, "/health", "/ready"} <= paths
    assert {probe["port"] for probe in asked.values()} == {port["name"] for port in one["ports"]}


def test_the_port_is_the_same_everywhere() -> None:
    port = understood(command_of_the_image())["port"]
    assert in_the_image("EXPOSE") == [str(port)]
    assert re.findall(r"127\.0\.0\.1:(\d+)", in_the_image("HEALTHCHECK")[0]) == [str(port)]
    (named,) = container(templates()["service"])["ports"]
    assert named["containerPort"] == port
    (served,) = only("Service")["spec"]["ports"]
    assert (served["port"], served["targetPort"]) == (port, named["name"])
    assert [one.split(":")[-1] for one in compose()["services"]["smar"]["ports"]] == [str(port)]
    assert set(re.findall(r"localhost:(\d+)", readme())) == {str(port)}


def test_the_settings_load_and_let_any_number_of_replicas_be_alike() -> None:
    file = DEPLOY / "kubernetes" / "serve.toml"
    config = ServeConfig.load(file)
    assert config.keys is None, "replicas that take changes of items would differ"
    assert config.photo == ServeConfig().photo
    assert str(config.workers) == container(templates()["service"])["resources"]["limits"]["cpu"]
    assert config.workers == compose()["services"]["smar"]["cpus"]
    assert config.cache is not None
    for name in ("compose, smar", "kubernetes, service"):
        assert is_writable(str(config.cache), mounts()[name]), name
    # The image has the file where its command looks for it, and the ConfigMap lies over that folder.
    place = understood(command_of_the_image())["config"]
    assert f"{file.relative_to(ROOT).as_posix()} {place}" in in_the_image("COPY")
    assert mounts()["kubernetes, service"][str(place.parent)]
    (settings,) = [one for one in templates()["service"]["spec"]["volumes"] if "configMap" in one]
    assert settings["configMap"]["items"] == [{"key": file.name, "path": place.name}]


@pytest.mark.parametrize(("where", "words"), list(command_lines()), ids=lambda value: str(value)[:40])
def test_a_command_that_is_deployed_is_one_of_ours(where: str, words: list[str]) -> None:
    values = understood(words)
    if engine := values.get("engine"):
        assert engine == "$(SMAR_ENGINE)" or MilvusAddress.parse(engine), where


def test_the_entry_point_is_the_program_of_the_package() -> None:
    assert json.loads(in_the_image("ENTRYPOINT")[0])[0] in project()["scripts"]


@pytest.mark.parametrize("name", sorted(mounts()))
def test_what_a_container_reads_is_mounted_and_only_indexing_writes_to_the_run(name: str) -> None:
    mounted = mounts()[name]
    indexes = name.endswith("index")
    lines = {**dict(command_lines())}
    values = understood(lines.get(name, command_of_the_image()))
    assert mounted[str(values["run"])] is not indexes
    assert mounted[str(values.get("shop", "/shop"))] is True
    for variable in ("HOME", "TMPDIR", "SMAR_CACHE"):
        assert is_writable(variables_of_the_image()[variable], mounted), variable
    assert in_the_image("VOLUME") == ["/cache"]
    assert {place for place, fixed in mounted.items() if not fixed} == {"/cache"} | (
        {"/run-folder"} if indexes else set()
    )


def test_volumes_of_pods_come_from_claims_that_exist_and_are_mounted() -> None:
    claims = {one["metadata"]["name"] for one in manifests()["PersistentVolumeClaim"]}
    used = set()
    for name, template in templates().items():
        volumes = {one["name"]: one for one in template["spec"]["volumes"]}
        places = {one["name"]: one for one in container(template)["volumeMounts"]}
        assert volumes.keys() == places.keys(), name
        for volume in volumes.values():
            if "persistentVolumeClaim" in volume:
                used.add(volume["persistentVolumeClaim"]["claimName"])
                is_fixed = volume["persistentVolumeClaim"].get("readOnly", False)
                assert is_fixed is places[volume["name"]].get("readOnly", False), name
            assert "emptyDir" not in volume or "sizeLimit" in volume["emptyDir"], name
    assert used == claims
    for claim in manifests()["PersistentVolumeClaim"]:
        assert set(claim["spec"]["accessModes"]) == {"ReadOnlyMany", "ReadWriteMany"}


def test_all_manifests_are_applied_and_no_other() -> None:
    assert sorted(kustomization()["resources"]) == [path.name for path in MANIFESTS]
    assert manifests().keys() == {
        "CronJob",
        "Deployment",
        "HorizontalPodAutoscaler",
        "PersistentVolumeClaim",
        "PodDisruptionBudget",
        "Service",
    }
    for file in kustomization()["configMapGenerator"][0]["files"]:
        assert (DEPLOY / "kubernetes" / file).is_file()


def test_the_job_that_indexes_is_started_by_hand_and_never_twice_at_once() -> None:
    spec = only("CronJob")["spec"]
    assert spec["suspend"] is True
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["jobTemplate"]["spec"]["template"]["spec"]["restartPolicy"] == "Never"


def test_nothing_is_reported_to_anybody() -> None:
    assert variables_of_the_image()["ORT_DISABLE_TELEMETRY"] == "1"


def test_variables_are_those_that_the_code_reads() -> None:
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "src" / "smar").rglob("*.py"))
    named = {
        *variables_of_the_image(),
        *(one["name"] for template in templates().values() for one in container(template)["env"]),
        *(one for name in OURS for one in compose()["services"][name]["environment"]),
    }
    for name in named:
        assert not name.startswith("SMAR_") or f'"{name}"' in sources, name
    (engine,) = [option for option in COMMANDS["serve"].params if option.name == "engine"]
    served = [one["name"] for one in container(templates()["service"])["env"]]
    assert engine.envvar in served
    assert engine.envvar in compose()["services"]["smar"]["environment"]


def test_values_of_pods_come_from_the_config_map_and_from_a_secret_that_may_be_missing() -> None:
    for name, template in templates().items():
        given = {one["name"]: one["valueFrom"] for one in container(template)["env"]}
        source = given["SMAR_ENGINE"]["configMapKeyRef"]
        assert source["name"] == "smar"
        assert source["key"] in values_in_the_cluster(), name
        secret = given["SMAR_MILVUS_TOKEN"]["secretKeyRef"]
        assert secret["optional"] is True
        assert f"secret generic {secret['name']} " in readme()
        assert f"--from-literal={secret['key']}=" in readme()
        assert given["OMP_NUM_THREADS"] == {"resourceFieldRef": {"resource": "limits.cpu"}}


def test_vectors_are_searched_where_they_were_indexed() -> None:
    MilvusAddress.parse(values_in_the_cluster()["SMAR_ENGINE"])
    services = compose()["services"]
    engine = services["smar"]["environment"]["SMAR_ENGINE"]
    assert understood(["smar", *services["index"]["command"]])["engine"] == engine
    address = MilvusAddress.parse(engine)
    assert services[address.host]["image"].startswith("milvusdb/milvus:")
    assert f":{address.port}" in engine
    assert set(services["smar"]["networks"]) & set(services[address.host]["networks"])


def test_milvus_gets_the_addresses_and_the_password_of_what_it_stores_in() -> None:
    services = compose()["services"]
    milvus, minio = services["milvus"]["environment"], services["minio"]["environment"]
    assert milvus["ETCD_ENDPOINTS"].split(":")[0] in services
    assert milvus["MINIO_ADDRESS"].split(":")[0] in services
    assert f"http://{milvus['ETCD_ENDPOINTS']}" in " ".join(services["etcd"]["command"])
    assert milvus["MINIO_ACCESS_KEY_ID"] == minio["MINIO_ROOT_USER"]
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    assert re.search(r"MINIO_SECRET_ACCESS_KEY: &password ", text)
    assert re.search(r"MINIO_ROOT_PASSWORD: \*password$", text, re.M)


def test_a_service_that_ends_has_time_to_answer() -> None:
    longest = ServeConfig.load(DEPLOY / "kubernetes" / "serve.toml").deadline + _SECONDS_TO_WRITE
    spec = templates()["service"]["spec"]
    program, seconds = container(templates()["service"])["lifecycle"]["preStop"]["exec"]["command"]
    assert program == "sleep"
    assert spec["terminationGracePeriodSeconds"] > int(seconds) + longest
    assert int(compose()["services"]["smar"]["stop_grace_period"].removesuffix("s")) > longest


def test_only_making_up_a_shop_needs_the_libraries_that_the_image_lacks() -> None:
    assert "import skia" in (ROOT / "tools" / "system_libraries.sh").read_text(encoding="utf-8")
    assert "apt-get" not in " ".join(one.words for one in instructions())
    for path in (ROOT / "src" / "smar").rglob("*.py"):
        text, place = path.read_text(encoding="utf-8"), path.relative_to(ROOT / "src" / "smar").as_posix()
        if place.startswith("market/") and path.name != "config.py":
            continue
        assert not re.search(r"^\s*(import|from) skia\b", text, re.M), place
        for module in re.findall(r"^(?:import|from) smar\.market\b(\S*)", text, re.M):
            assert module == ".config", f"{place}: loads what draws"
        if re.search(r"^\s+(import|from) smar\.market\b", text, re.M):
            assert place == "cli/models.py", f"{place}: loads what draws"


def test_the_page_names_what_exists() -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", readme()):
        assert (DEPLOY / target).exists(), target
    for row in re.findall(r"^\| `([^`]+)` \|", readme(), re.M):
        assert (DEPLOY / row).exists(), row
    services = compose()["services"]
    assert set(re.findall(r"run --rm (?:--entrypoint \w+ )?(\w+)", readme())) <= services.keys()
    assert set(re.findall(r"cronjob/([\w-]+)", readme())) == {only("CronJob")["metadata"]["name"]}
    assert set(re.findall(r"deployment/([\w-]+)", readme())) == {only("Deployment")["metadata"]["name"]}
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    variables = set(re.findall(r"\$\{(\w+)", text))
    assert variables <= set(re.findall(r"\b[A-Z]+_[A-Z_]+\b", readme()))
