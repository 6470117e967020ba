"""Layers: published, shared, attached, and seen in /opt by the code of each runtime."""

import base64
import hashlib
import json
import shutil
import subprocess
import urllib.request

import pytest
from functions import CUSTOM, NODE, PYTHON, Function, code, create, name_of
from hearth import Server, variables
from package import Executable, Link, zip_of
from test_functions import refused as refused_with_status

PYTHON_READS = "import word\ndef handler(event, context):\n    return word.WORD\n"
OPT = "import os\ndef handler(event, context):\n    return open(os.path.join('/opt', event['path'])).read()\n"


def words(text, directory="python"):
    """The package of a layer with a Python module that says `text`."""
    return zip_of({f"{directory}/word.py": f"WORD = {text!r}\n"})


@pytest.fixture
def publish(lambda_client):
    """Publishes layer versions, and deletes them after the test."""
    made = []

    def publish(package, name=None, client=lambda_client, **settings):
        answer = client.publish_layer_version(
            LayerName=name or name_of("layer"), Content={"ZipFile": package}, **settings
        )
        made.append((client, answer))
        return answer

    yield publish
    for client, answer in made:
        client.delete_layer_version(LayerName=answer["LayerArn"], VersionNumber=answer["Version"])


def refused(call, *arguments, **named):
    """Code and message of the error a call is answered with."""
    return refused_with_status(call, *arguments, **named)[:2]


def arns(*versions):
    return [version["LayerVersionArn"] for version in versions]


@pytest.mark.parametrize("directory", ["python", "python/lib/python3.12/site-packages"])
def test_python_imports_from_a_layer(deploy, publish, directory):
    layer = publish(words("from the layer", directory))
    function = deploy(PYTHON, PYTHON_READS, Layers=arns(layer))
    outcome = function.invoke()
    assert (outcome.error, outcome.value) == (None, "from the layer")
    shown = function.client.get_function_configuration(FunctionName=function.name)["Layers"]
    assert shown == [{"Arn": layer["LayerVersionArn"], "CodeSize": layer["Content"]["CodeSize"]}]


NODE_MODULES = {
    f"{place}/node_modules/{name}/index.js": f"exports.word = '{name}'"
    for place, name in (("nodejs", "plain"), ("nodejs/node22", "exact"))
}


@pytest.mark.parametrize(
    "source",
    [
        "import plain from 'plain'; import exact from 'exact';\n"
        "export const handler = async () => [plain.word, exact.word];\n",
        "import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);\n"
        "export const handler = async () => [require('plain').word, require('exact').word];\n",
    ],
    ids=["import", "require"],
)
def test_node_imports_from_a_layer(deploy, publish, source):
    function = deploy(NODE, source, Layers=arns(publish(zip_of(NODE_MODULES))))
    outcome = function.invoke()
    assert (outcome.error, outcome.value) == (None, ["plain", "exact"])


@pytest.mark.skipif(not shutil.which("ruby"), reason="this machine has no Ruby")
def test_ruby_requires_from_a_layer(deploy, publish):
    layer = publish(zip_of({"ruby/lib/word.rb": "WORD = 'from the layer'\n"}))
    source = "require 'word'\ndef handler(event:, context:)\n  WORD\nend\n"
    function = deploy("ruby3.2", zip_of({"app.rb": source}), Layers=arns(layer))
    outcome = function.invoke()
    assert (outcome.error, outcome.value) == (None, "from the layer")


@pytest.mark.skipif(not shutil.which("javac"), reason="this machine has no Java compiler")
def test_java_loads_the_jars_of_a_layer(deploy, publish, tmp_path):
    sources = {
        "Word.java": 'public class Word { public static String word() { return "from the layer"; } }',
        "Main.java": "public class Main { public String handle(Object event) { return Word.word(); } }",
    }
    for name, source in sources.items():
        (tmp_path / name).write_text(source)
    subprocess.run(["javac", "--release", "17", *sources], cwd=tmp_path, check=True)
    jar = zip_of({"Word.class": (tmp_path / "Word.class").read_bytes()})
    package = zip_of({"Main.class": (tmp_path / "Main.class").read_bytes()})
    settings = {"Handler": "Main::handle", "MemorySize": 512, "Timeout": 30}
    function = deploy("java17", package, Layers=arns(publish(zip_of({"java/lib/word.jar": jar}))), **settings)
    outcome = function.invoke()
    assert (outcome.error, outcome.value) == (None, "from the layer")


def test_programs_of_a_layer_are_on_the_path(deploy, publish):
    layer = publish(zip_of({"bin/greet": Executable("#!/bin/sh\necho hello from the layer\n")}))
    source = "import subprocess\ndef handler(event, context):\n    return subprocess.check_output('greet').decode()\n"
    outcome = deploy(PYTHON, source, Layers=arns(layer)).invoke()
    assert (outcome.error, outcome.value) == (None, "hello from the layer\n")


def test_a_layer_is_a_runtime(deploy, publish, examples):
    """The bootstrap of a `provided` function may come from a layer, as custom runtimes do."""
    layer = publish(examples["hello-custom"])
    function = deploy(CUSTOM, zip_of({"readme.txt": "no bootstrap here"}), Layers=arns(layer))
    outcome = function.invoke({"name": "Ada"})
    assert outcome.error is None, outcome.body
    assert outcome.value["message"] == "Hello, Ada!"


def test_five_layers_and_the_last_one_wins(deploy, publish):
    layers = [publish(zip_of({"mine": str(number), f"of/{number}": str(number)})) for number in range(5)]
    function = deploy(PYTHON, OPT, Layers=arns(*layers))
    assert function.invoke({"path": "mine"}).value == "4"
    assert [function.invoke({"path": f"of/{number}"}).value for number in range(5)] == list("01234")
    function.configure(Layers=arns(*reversed(layers)))
    assert function.invoke({"path": "mine"}).value == "0"
    function.configure(Layers=[])
    outcome = function.invoke({"path": "mine"})
    assert outcome.error == "Unhandled"
    assert outcome.value["errorType"] == "FileNotFoundError"
    assert "Layers" not in function.client.get_function_configuration(FunctionName=function.name)


def test_the_functions_own_package_comes_before_its_layers(deploy, publish):
    package = zip_of({"app.py": PYTHON_READS, "word.py": "WORD = 'from the function'\n"})
    function = deploy(PYTHON, package, Layers=arns(publish(words("from the layer"))))
    assert function.invoke().value == "from the function"


def test_opt_cannot_be_written(deploy, publish):
    source = "def handler(event, context):\n    open('/opt/python/word.py', 'w')\n"
    outcome = deploy(PYTHON, source, Layers=arns(publish(words("mine")), publish(words("yours")))).invoke()
    assert outcome.error == "Unhandled"
    assert "Read-only file system" in outcome.value["errorMessage"] or "Permission denied" in outcome.value["errorMessage"]


def test_links_of_one_layer_lead_nothing_of_another_astray(deploy, publish):
    linked = publish(zip_of({"real/mine": "1", "shown": Link("real")}))
    over = publish(zip_of({"shown/mine": "2"}))
    function = deploy(PYTHON, OPT, Layers=arns(linked, over))
    assert [function.invoke({"path": path}).value for path in ("real/mine", "shown/mine")] == ["1", "2"]
    evil = refused(publish, zip_of({"out": Link("../../etc")}))
    assert evil[0] == "InvalidParameterValueException"


def test_a_deleted_version_goes_on_serving(deploy, publish, lambda_client):
    layer = publish(words("still here"))
    function = deploy(PYTHON, PYTHON_READS, Layers=arns(layer))
    for _ in range(2):  # the second time there is nothing to delete, and that is no error
        lambda_client.delete_layer_version(LayerName=layer["LayerArn"], VersionNumber=1)
    assert function.invoke().value == "still here"
    function.configure(MemorySize=256)
    assert function.invoke().value == "still here"
    code, message = refused(lambda_client.get_layer_version, LayerName=layer["LayerArn"], VersionNumber=1)
    assert (code, message) == ("ResourceNotFoundException", "The resource you requested does not exist.")
    code, message = refused(deploy, PYTHON, PYTHON_READS, Layers=arns(layer))
    assert (code, message) == (
        "InvalidParameterValueException",
        f"Layer version {layer['LayerVersionArn']} does not exist.",
    )
    assert publish(words("again"), name=layer["LayerArn"].rsplit(":", 1)[1])["Version"] == 2


def test_a_published_version_downloads_and_lists(publish, lambda_client):
    package = words("mine")
    layer = publish(package, Description="words", CompatibleRuntimes=[PYTHON], LicenseInfo="MIT")
    name = layer["LayerArn"].rsplit(":", 1)[1]
    shown = lambda_client.get_layer_version_by_arn(Arn=layer["LayerVersionArn"])
    assert (shown["Version"], shown["LicenseInfo"], shown["CompatibleRuntimes"]) == (1, "MIT", [PYTHON])
    with urllib.request.urlopen(shown["Content"]["Location"]) as answer:
        downloaded = answer.read()
    assert downloaded == package
    assert shown["Content"]["CodeSha256"] == base64.b64encode(hashlib.sha256(package).digest()).decode()
    publish(words("newer"), name=name)
    pages = lambda_client.get_paginator("list_layer_versions").paginate(LayerName=name, PaginationConfig={"PageSize": 1})
    assert [version["Version"] for page in pages for version in page["LayerVersions"]] == [2, 1]
    fitting = lambda_client.list_layer_versions(LayerName=name, CompatibleRuntime=PYTHON)["LayerVersions"]
    assert [version["Version"] for version in fitting] == [1]
    pages = lambda_client.get_paginator("list_layers").paginate(PaginationConfig={"PageSize": 1})
    newest = {item["LayerName"]: item["LatestMatchingVersion"]["Version"] for page in pages for item in page["Layers"]}
    assert newest[name] == 2


@pytest.mark.parametrize(
    "settings, code, words_of_message",
    [
        ({"Content": {"S3Bucket": "bucket", "S3Key": "key"}}, "InvalidParameterValueException", "Content.S3Bucket"),
        ({"Content": {"ZipFile": b"no zip"}}, "InvalidParameterValueException", "Could not unzip"),
        ({"LayerName": "a b"}, "ValidationException", "at 'layerName' failed to satisfy constraint"),
        ({"CompatibleRuntimes": ["cobol"]}, "ValidationException", "at 'compatibleRuntimes"),
        ({"Description": "x" * 257}, "ValidationException", "at 'description' failed to satisfy constraint"),
    ],
)
def test_bad_layers_are_refused(lambda_client, settings, code, words_of_message):
    request = {"LayerName": "refused", "Content": {"ZipFile": words("mine")}} | settings
    told = refused(lambda_client.publish_layer_version, **request)
    assert told[0] == code and words_of_message in told[1], told
    assert lambda_client.list_layer_versions(LayerName="refused")["LayerVersions"] == []


def test_bad_lists_of_layers_are_refused(deploy, publish, lambda_client):
    layers = [publish(words(str(number))) for number in range(6)]
    newer = publish(words("newer"), name=layers[0]["LayerArn"].rsplit(":", 1)[1])
    function = deploy(PYTHON, PYTHON_READS)
    for chosen, message in [
        (arns(*layers), "Cannot reference more than 5 layers."),
        (arns(layers[0], newer), "Two different versions of the same layer are not allowed to be referenced"),
        (["arn:aws:lambda:eu-west-1:000000000000:layer:words:1"], "Layers are not in the same region as the function."),
    ]:
        told = refused(lambda_client.update_function_configuration, FunctionName=function.name, Layers=chosen)
        assert told[0] == "InvalidParameterValueException" and message in told[1], told
    told = refused(lambda_client.update_function_configuration, FunctionName=function.name, Layers=["nonsense"])
    assert told[0] == "ValidationException", told


def test_another_account_needs_a_permission(server, deploy, publish):
    layer = publish(words("shared"))
    owner, friend = server.client("lambda"), server.client("lambda", "444455556666")
    version = {"LayerName": layer["LayerArn"], "VersionNumber": 1}
    denied = refused(friend.get_layer_version, **version)
    assert denied == (
        "AccessDeniedException",
        "User: arn:aws:iam::444455556666:root is not authorized to perform: lambda:GetLayerVersion on resource: "
        f"{layer['LayerVersionArn']} because no resource-based policy allows the lambda:GetLayerVersion action",
    )
    settings = {"Layers": arns(layer), "Role": "arn:aws:iam::444455556666:role/suite", "client": friend}
    assert refused(deploy, PYTHON, PYTHON_READS, **settings)[0] == "AccessDeniedException"

    permission = {"StatementId": "friend", "Action": "lambda:GetLayerVersion", "Principal": "444455556666"}
    added = owner.add_layer_version_permission(**version, **permission)
    statement = {
        "Sid": "friend",
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::444455556666:root"},
        "Action": "lambda:GetLayerVersion",
        "Resource": layer["LayerVersionArn"],
    }
    assert json.loads(added["Statement"]) == statement
    policy = owner.get_layer_version_policy(**version)
    assert json.loads(policy["Policy"]) == {"Version": "2012-10-17", "Id": "default", "Statement": [statement]}
    assert policy["RevisionId"] == added["RevisionId"]
    assert refused(owner.add_layer_version_permission, **version, **permission)[0] == "ResourceConflictException"
    stale = {"RevisionId": "0c0f5bdd-0000-4000-8000-000000000000", "StatementId": "friend"}
    assert refused(owner.remove_layer_version_permission, **version, **stale)[0] == "PreconditionFailedException"

    function = deploy(PYTHON, PYTHON_READS, **settings)
    assert function.invoke().value == "shared"
    owner.remove_layer_version_permission(**version, StatementId="friend", RevisionId=added["RevisionId"])
    assert function.invoke().value == "shared"
    assert refused(friend.get_layer_version, **version)[0] == "AccessDeniedException"
    assert refused(owner.get_layer_version_policy, **version)[0] == "ResourceNotFoundException"


def test_layers_survive_a_killed_server(tmp_path):
    """Also when what was unpacked from them is lost: that is a cache of the packages."""
    directory = tmp_path / "hearth"
    with Server("--data-dir", directory) as server:
        client = server.client("lambda")
        layers = [
            client.publish_layer_version(LayerName=f"l{text}", Content={"ZipFile": words(text)}) for text in "ab"
        ]
        create(client, PYTHON, code(PYTHON, PYTHON_READS), name="f", Layers=arns(*layers))
        server.kill()
    for merged in (directory / "code").glob("*.layers"):
        merged.rename(tmp_path / "lost")
    with Server("--data-dir", directory) as server:
        assert Function(server.client("lambda"), "f").wait().invoke().value == "b"
        shown = server.client("lambda").list_layers()["Layers"]
        assert [layer["LayerName"] for layer in shown] == ["la", "lb"]


@pytest.mark.parametrize("sdk_dir", [None, "empty"])
def test_plain_processes_import_from_layers_too(tmp_path, sdk_dir):
    """There is no /opt of their own, so that the search paths lead to where the layers are."""
    changes = {"HEARTH_SDK_DIR": str(tmp_path / sdk_dir)} if sdk_dir else {}
    with Server("--ephemeral", "--isolation", "process", env=variables(**changes)) as server:
        client = server.client("lambda")
        python = client.publish_layer_version(LayerName="p", Content={"ZipFile": words("from the layer")})
        node = client.publish_layer_version(LayerName="n", Content={"ZipFile": zip_of(NODE_MODULES)})
        imports = "import plain from 'plain';\nexport const handler = async () => plain.word;\n"
        for runtime, source, said in [(PYTHON, PYTHON_READS, "from the layer"), (NODE, imports, "plain")]:
            made = create(client, runtime, code(runtime, source), Layers=arns(python, node))
            outcome = made.invoke()
            assert (outcome.error, outcome.value) == (None, said)
