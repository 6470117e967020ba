"""AWS's own runtime clients, unmodified, as bootstraps of `provided.al2023`: each answers, fails and logs as Hearth's runtime of
the same language does, to the same handler.
"""

import json
import re
import subprocess
from dataclasses import dataclass

import functions
import pytest
import toolchain
from functions import CUSTOM
from hearth import REPOSITORY
from package import zip_of

# What differs from run to run, and what the kind of runtime may change of a log.
NOISE = [
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z?", "TIME"),
    (r"\b\d+(\.\d+)? ms", "MS"),
    (r"Used: \d+ MB", "Used: MB"),
    (r"\tInit Duration: MS", ""),
    (r"Billed Duration: MS", "Billed"),
    (r"0x[0-9a-f]{6,}", "ADDRESS"),
    (r"\[\$LATEST\][0-9a-f]{32}", "STREAM"),
    (r"Root=1-[^\"]*", "TRACE"),
    (r"/var/(runtime|task)/awslambdaric/", "RUNTIME/"),
    (r"/[^ \"]*/lib/python3", "LIB/python3"),
    # The frames of either runtime itself, below those of the function.
    (r',?"\s+at [^"]*(/var/runtime/|/client/(dist|bin)/|node:internal|node:events)[^"]*"', ""),
    (r"(importlib[^,]*, line) \d+", r"\1 N"),
    (r"(RUNTIME/bootstrap.py\\?\", line) \d+", r"\1 N"),
]


def normalised(text, function):
    text = text.replace(function.name, "FUNCTION")
    for pattern, name in NOISE:
        text = re.sub(pattern, name, text)
    return text


@dataclass
class Pair:
    """The same handler under Hearth's runtime and under AWS's client."""

    ours: object
    theirs: object

    def agree(self, event, **options):
        """Invokes both with the event; they must tell the same. Gives the outcomes of both."""
        self.latest = (event, options)
        ours, theirs = self.ours.invoke(event, **options), self.theirs.invoke(event, **options)
        for field in ("status", "error"):
            assert getattr(ours, field) == getattr(theirs, field), (ours, theirs)
        assert normalised(ours.body.decode(), self.ours) == normalised(theirs.body.decode(), self.theirs)
        return ours, theirs

    def agree_in_log(self, outcomes):
        """What both printed is the same. AWS's client for Java prints an error after it has told it, so that its lines may
        come too late for the tail that the answer has, and those of an initialisation may come on either side of START:
        then the same is asked again."""
        for _ in range(9):
            ours, theirs = outcomes
            if printed(ours.log, self.ours) == printed(theirs.log, self.theirs):
                return
            event, options = self.latest
            outcomes = self.agree(event, **options)
        ours, theirs = outcomes
        assert printed(ours.log, self.ours) == printed(theirs.log, self.theirs)


def printed(log, function):
    """The lines between START and END, a message's line feeds and carriage returns being one."""
    inner = re.sub(r"(?s)\A.*?START [^\n]*\n|END RequestId.*\Z", "", log.replace("\r", "\n"))
    # Standard output and standard error are two pipes, and which is read first is nobody's promise.
    return sorted(line.rstrip() for line in normalised(inner, function).splitlines() if line.strip())


PYTHON_SOURCE = '''
import json, logging, os, sys
from decimal import Decimal

def echo(event, context):
    return event

def number(event, context):
    return [Decimal("1.5"), (1, 2), "\\u00e9"]

def nothing(event, context):
    pass

def context(event, context):
    return {
        "id": len(context.aws_request_id), "name": context.function_name, "version": context.function_version,
        "memory": context.memory_limit_in_mb, "arn": context.invoked_function_arn, "group": context.log_group_name,
        "remains": 0 < context.get_remaining_time_in_millis() <= 3000,
        "client": context.client_context and [context.client_context.custom, context.client_context.env],
        "identity": context.identity and context.identity.cognito_identity_id,
        "trace": os.environ["_X_AMZN_TRACE_ID"][:7],
    }

def logs(event, context):
    print("printed")
    print("two\\nlines")
    logging.getLogger().warning("warned %s", 1)
    logging.getLogger().info("not said")

def fails(event, context):
    raise ValueError("no good")

class Own(Exception):
    pass

def fails_in_own_way(event, context):
    try:
        {}["missing"]
    except KeyError as error:
        raise Own("outer") from error

def unserialisable(event, context):
    return {1, 2}

def exits(event, context):
    sys.exit(4)
'''
CONTEXT = {"ClientContext": "eyJjdXN0b20iOiB7ImEiOiAiYiJ9LCAiZW52IjogeyJjIjogImQifX0="}


@pytest.fixture(scope="module")
def python_runtime():
    version = toolchain.system_program(r"python3\.\d+", "python3").name
    return version, toolchain.python_client()


@pytest.fixture
def python(deploy, python_runtime):
    runtime, client = python_runtime

    def pair(handler, source=PYTHON_SOURCE):
        files = {"app.py": source}
        return Pair(
            deploy(runtime, zip_of(files), Handler=handler),
            deploy(CUSTOM, zip_of(client | files), Handler=handler),
        )

    return pair


@pytest.mark.parametrize("event", [{}, {"a": [1, 2.5, None, True, "é\U0001f600"]}, [], "text", 5, None])
def test_python_values(python, event):
    python("app.echo").agree(event)


@pytest.mark.parametrize("handler", ["number", "nothing", "logs", "fails", "fails_in_own_way", "unserialisable", "exits", "missing"])
def test_python_handlers(python, handler):
    pair = python(f"app.{handler}")
    pair.agree_in_log(pair.agree({}))


def test_python_context(python):
    ours, _ = python("app.context").agree({}, **CONTEXT)
    assert ours.value["client"] == [{"a": "b"}, {"c": "d"}]


@pytest.mark.parametrize("source", ["import absent", "def handler(", "raise RuntimeError('early')", "import sys; sys.exit(5)"])
def test_python_failing_init(python, source):
    python("app.handler", source).agree({})


NODE_SOURCE = """
import { setTimeout } from 'node:timers/promises';
export const echo = async (event) => event;
export const nothing = async () => {};
export const values = async () => ({ date: new Date(0), missing: undefined, text: 'é\\u2028', nan: NaN });
export const called = (event, context, callback) => callback(null, { name: context.functionName });
export const refused = (event, context, callback) => callback(new TypeError('no good'));
export const finished = (event, context) => context.succeed('done');
export const context = async (event, context) => ({
  id: context.awsRequestId.length, name: context.functionName, version: context.functionVersion, arn: context.invokedFunctionArn,
  memory: context.memoryLimitInMB, group: context.logGroupName, client: context.clientContext, waits: context.callbackWaitsForEmptyEventLoop,
  remains: context.getRemainingTimeInMillis() <= 3000, keys: Object.keys(context).sort(),
});
export const logs = async () => {
  console.log('plain', 1, { a: [1, { b: 2 }] });
  console.error('two\\nlines');
  console.warn('warned %s', 'x');
  console.debug('debugged');
};
class Own extends Error {
  constructor(message) { super(message); this.name = 'OwnName'; this.code = 7; }
}
export const fails = async () => { throw new RangeError('no good'); };
export const failsInOwnWay = async () => { throw new Own('mine'); };
export const throwsText = async () => { throw 'text'; };
export const failsWithCause = async () => { throw new Error('outer', { cause: new Error('inner') }); };
export const circle = async () => { const all = {}; all.all = all; return all; };
export const exits = async () => { process.exit(4); };
export const rejectsAside = async () => { Promise.reject(new Error('aside')); await setTimeout(50); return 'late'; };
export const throwsAside = async () => { globalThis.setTimeout(() => { throw new Error('thrown aside'); }, 1); await setTimeout(50); };
export const notAFunction = 5;
"""


@pytest.fixture(scope="module")
def node_pair(server):
    """One function with every handler under each runtime."""
    client, files = server.client("lambda"), {"index.mjs": NODE_SOURCE}
    node = toolchain.system_program("node", "nodejs")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    major = version.removeprefix("v").split(".")[0]
    settings = {"Handler": "index.echo", "MemorySize": 256, "Timeout": 3}
    pair = Pair(
        functions.create(client, f"nodejs{major}.x", zip_of(files), **settings),
        functions.create(client, CUSTOM, zip_of(files | toolchain.node_client()), **settings),
    )
    yield pair
    for function in (pair.ours, pair.theirs):
        client.delete_function(FunctionName=function.name)


@pytest.mark.parametrize("handler", [
    "echo", "nothing", "values", "called", "refused", "finished", "context", "logs", "fails", "failsInOwnWay", "throwsText",
    "failsWithCause", "circle", "exits", "rejectsAside", "throwsAside", "notAFunction", "missing",
])
def test_node_handlers(node_pair, handler):
    for function in (node_pair.ours, node_pair.theirs):
        function.configure(Handler=f"index.{handler}")
    node_pair.agree_in_log(node_pair.agree({"a": [1, "é"]}, **CONTEXT))


JAVA_CASES = REPOSITORY / "runtimes/java/tests/functions/Cases.java"
JAVA_CORE = "com.amazonaws:aws-lambda-java-core:1.2.3"
JAVA_EVENTS = "com.amazonaws:aws-lambda-java-events:3.14.0"
JAVA_SETTINGS = {"MemorySize": 512, "Timeout": 30}


@pytest.fixture(scope="module")
def java_pair(server):
    """One function with every handler under each runtime: a case changes the handler, so that nothing is uploaded again."""
    client = server.client("lambda")
    jars = toolchain.java_jars(JAVA_CORE, JAVA_EVENTS)
    classes = toolchain.java_classes("java-cases", {"Cases.java": JAVA_CASES.read_text(), "Events.java": JAVA_EVENT_SOURCE}, jars)
    files = classes | {f"lib/{name}": path.read_bytes() for name, path in jars.items()}
    pair = Pair(
        functions.create(client, "java17", zip_of(files), Handler="example.Cases", **JAVA_SETTINGS),
        functions.create(client, CUSTOM, zip_of(files | toolchain.java_client()), Handler="example.Cases", **JAVA_SETTINGS),
    )
    yield pair
    for function in (pair.ours, pair.theirs):
        client.delete_function(FunctionName=function.name)


@pytest.fixture
def java(java_pair):
    def handled_by(handler):
        for function in (java_pair.ours, java_pair.theirs):
            function.configure(Handler=handler)
        return java_pair

    return handled_by


@pytest.mark.parametrize("handler, events", [
    ("example.Cases", [{"a": 1, "b": [1.5, None, {"c": True}], "big": 12345678901234567890}, [], 5]),
    ("example.Cases::text", ["xé", 5, 1.5, None, {}]),
    ("example.Cases::doubled", [21, "4", 2.9, None, "x", 99999999999]),
    ("example.Cases::anything", [{"a": 1}, [1], 1, 1.5, 5000000000, "s", True, None]),
    ("example.Cases::pets", [{"x": [{"name": "A", "age": 3, "kind": "CAT", "unknown": 1}], "y": {"name": "B", "kind": "BIRD"}}]),
    ("example.Cases::order", [{"name": "n", "age": None, "publicField": "p", "open": True, "URL": "u", "pets": [{}, None]}, ""]),
    ("example.Cases::withNulls", [{}]),
    ("example.Cases::dates", [{"date": 1700000000123, "instant": 1700000000.5, "local": [2026, 1, 2]}]),
    ("example.Cases::locked", [{"value": 1}]),
    ("example.Cases::streams", [{"a": 1}]),
    ("example.Cases::contextOnly", [1]),
    ("example.Cases::context", [{}]),
    ("example.Cases::overloaded", ["x"]),
    ("example.Cases::fails", [{}]),
    ("example.Cases::failsWithCause", [{}]),
    ("example.Cases::exits", [{}]),
    ("example.Cases::logs", [{}]),
    ("example.Cases::hidden", [{}]),
    ("example.Cases$Failing", [{"name": "N"}]),
    ("example.Cases$Concrete", [{"name": "N"}]),
    ("example.Cases$Broken::handle", [{}]),
    ("example.Cases$BrokenInitialiser::handle", [{}]),
    ("example.Nope::x", [{}]),
])
def test_java_handlers(java, handler, events):
    pair = java(handler)
    for event in events:
        outcomes = pair.agree(event, **CONTEXT)
        # Causes of what cannot be read are told by the parsers in their own words; broken classes before START.
        if "JSON parsing" not in outcomes[0].body.decode() and "Broken" not in handler and "locked" not in handler:
            pair.agree_in_log(outcomes)


JAVA_EVENT_SOURCE = """
package example;

import com.amazonaws.services.lambda.runtime.events.*;
import java.nio.charset.StandardCharsets;
import java.util.*;

public class Events {
    public List<Object> sqs(SQSEvent event) {
        SQSEvent.SQSMessage m = event.getRecords().get(0);
        return List.of(m.getMessageId(), m.getBody(), m.getEventSourceArn(), m.getAwsRegion(), m.getAttributes(),
            m.getMessageAttributes().get("k").getStringValue());
    }

    public SQSBatchResponse batch(SQSEvent event) {
        return new SQSBatchResponse(List.of(new SQSBatchResponse.BatchItemFailure(event.getRecords().get(0).getMessageId())));
    }

    public List<Object> sns(SNSEvent event) {
        SNSEvent.SNS s = event.getRecords().get(0).getSNS();
        return List.of(s.getMessage(), s.getSubject(), s.getTopicArn(), s.getTimestamp().getMillis(), event.getRecords().get(0).getEventSource());
    }

    public List<Object> s3(S3Event event) {
        var r = event.getRecords().get(0);
        return List.of(r.getEventName(), r.getS3().getBucket().getName(), r.getS3().getObject().getKey(),
            r.getS3().getObject().getSizeAsLong(), r.getEventTime().getMillis(), r.getS3().getObject().getUrlDecodedKey());
    }

    public List<Object> kinesis(KinesisEvent event) {
        var r = event.getRecords().get(0);
        return List.of(r.getEventSourceARN(), r.getKinesis().getPartitionKey(), r.getKinesis().getSequenceNumber(),
            new String(r.getKinesis().getData().array(), StandardCharsets.UTF_8), r.getKinesis().getApproximateArrivalTimestamp().getTime());
    }

    public List<Object> dynamodb(DynamodbEvent event) {
        var r = event.getRecords().get(0);
        var image = r.getDynamodb().getNewImage();
        return List.of(r.getEventName(), r.getDynamodb().getKeys().get("id").getN(), image.get("s").getS(), image.get("l").getL().get(0).getBOOL(),
            image.get("m").getM().get("x").getSS(), r.getDynamodb().getSequenceNumber(), r.getDynamodb().getApproximateCreationDateTime().getTime());
    }

    public List<Object> scheduled(ScheduledEvent event) {
        return List.of(event.getId(), event.getDetailType(), event.getSource(), event.getTime().getMillis(), event.getResources(), event.getDetail());
    }

    public APIGatewayProxyResponseEvent api(APIGatewayProxyRequestEvent event) {
        return new APIGatewayProxyResponseEvent().withStatusCode(201).withHeaders(event.getHeaders())
            .withBody(event.getPath() + event.getRequestContext().getIdentity().getSourceIp()).withIsBase64Encoded(false);
    }

    public APIGatewayV2HTTPResponse http(APIGatewayV2HTTPEvent event) {
        return APIGatewayV2HTTPResponse.builder().withStatusCode(202).withCookies(event.getCookies())
            .withBody(event.getRawPath() + event.getRequestContext().getHttp().getMethod() + event.getIsBase64Encoded()).build();
    }
}
"""
EVENTS = {
    "sqs": {"Records": [{
        "messageId": "m1", "receiptHandle": "h", "body": "b", "attributes": {"SentTimestamp": "1"}, "md5OfBody": "5",
        "messageAttributes": {"k": {"stringValue": "v", "dataType": "String"}}, "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:1:q", "awsRegion": "us-east-1"}]},
    "sns": {"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": "a", "Sns": {
        "Type": "Notification", "MessageId": "m", "TopicArn": "t", "Subject": "s", "Message": "hi",
        "Timestamp": "2026-01-02T03:04:05.678Z", "MessageAttributes": {"Test": {"Type": "String", "Value": "v"}}}}]},
    "s3": {"Records": [{
        "eventVersion": "2.0", "eventSource": "aws:s3", "awsRegion": "us-east-1", "eventTime": "2026-01-02T03:04:05.678Z",
        "eventName": "ObjectCreated:Put", "userIdentity": {"principalId": "p"}, "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"x-amz-request-id": "r", "x-amz-id-2": "2"}, "s3": {
            "s3SchemaVersion": "1.0", "configurationId": "c", "bucket": {"name": "b", "ownerIdentity": {"principalId": "o"}, "arn": "a"},
            "object": {"key": "a+b%21", "size": 1024, "eTag": "e", "sequencer": "0A"}}}]},
    "kinesis": {"Records": [{
        "kinesis": {"kinesisSchemaVersion": "1.0", "partitionKey": "1", "sequenceNumber": "495", "data": "SGVsbG8=",
                    "approximateArrivalTimestamp": 1545084650.987},
        "eventSource": "aws:kinesis", "eventID": "shardId:1", "eventName": "aws:kinesis:record",
        "eventSourceARN": "arn:aws:kinesis:us-east-1:1:stream/s", "awsRegion": "us-east-1"}]},
    "dynamodb": {"Records": [{
        "eventID": "1", "eventVersion": "1.0", "eventName": "INSERT", "eventSource": "aws:dynamodb", "awsRegion": "us-east-1",
        "dynamodb": {"Keys": {"id": {"N": "101"}}, "NewImage": {"s": {"S": "new"}, "l": {"L": [{"BOOL": True}]}, "m": {"M": {"x": {"SS": ["y"]}}}},
                     "SequenceNumber": "111", "SizeBytes": 26, "StreamViewType": "NEW_IMAGE", "ApproximateCreationDateTime": 1479499740},
        "eventSourceARN": "arn"}]},
    "scheduled": {"id": "i", "detail-type": "Scheduled Event", "source": "aws.events", "account": "1", "time": "2026-01-02T03:04:05Z",
                  "region": "us-east-1", "resources": ["r"], "detail": {"a": 1}},
    "api": {"resource": "/{proxy+}", "path": "/p", "httpMethod": "POST", "headers": {"A": "b"}, "queryStringParameters": {"q": "1"},
            "requestContext": {"accountId": "1", "stage": "prod", "identity": {"sourceIp": "127.0.0.1"}}, "body": "x", "isBase64Encoded": False},
    "http": {"version": "2.0", "routeKey": "$default", "rawPath": "/p", "rawQueryString": "", "cookies": ["c=1"], "headers": {"a": "b"},
             "requestContext": {"accountId": "1", "http": {"method": "GET", "path": "/p", "protocol": "HTTP/1.1", "sourceIp": "::1"},
                                "timeEpoch": 1583348638390}, "isBase64Encoded": True},
}
EVENTS["batch"] = EVENTS["sqs"]


@pytest.mark.parametrize("name", EVENTS)
def test_java_events(java, name):
    outcomes = java(f"example.Events::{name}").agree(EVENTS[name])
    assert outcomes[0].error is None, outcomes


@pytest.mark.parametrize("name, event, error_type, message", [
    ("go", {"name": 5}, "UnmarshalTypeError", "json: cannot unmarshal number into Go struct field event.name of type string"),
])
def test_go_failures(deploy, name, event, error_type, message):
    outcome = deploy(CUSTOM, toolchain.hello_go()).invoke(event)
    assert outcome.error == "Unhandled"
    assert json.loads(outcome.body) == {"errorMessage": message, "errorType": error_type}
