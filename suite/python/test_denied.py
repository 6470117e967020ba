"""Every operation that needs leave, asked for by a user who has none; and leave that comes or goes by each kind of policy.

IAM's own operations are asked in `test_iam.py`, those of roles in `test_roles.py`.
"""

import json

import pytest
import roles
from botocore import xform_name
from functions import PYTHON, code, name_of
from test_functions import refused

ACCOUNT, FRIEND = "000000000000", "121212121212"
USER = f"arn:aws:iam::{ACCOUNT}:user/suite-nobody"
LAMBDA, LOGS = f"arn:aws:lambda:us-east-1:{ACCOUNT}", f"arn:aws:logs:us-east-1:{ACCOUNT}"
QUEUE_ARN = f"arn:aws:sqs:us-east-1:{ACCOUNT}:denied"
F, LAYER, ALIAS = {"FunctionName": "f"}, {"LayerName": "l", "VersionNumber": 1}, {"Name": "live"}
TAGGED, GROUP, STREAM = {"Resource": f"{LAMBDA}:function:f"}, {"logGroupName": "g"}, {"logStreamName": "s"}
GROUP_ARN = {"resourceArn": f"{LOGS}:log-group:g"}
STATEMENT = {"StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": "*"}
QUEUE = {"QueueUrl": f"http://127.0.0.1:4566/{ACCOUNT}/denied"}
TOPIC, TOPIC_ARN = ({name: f"arn:aws:sns:us-east-1:{ACCOUNT}:denied"} for name in ("TopicArn", "ResourceArn"))
SUBSCRIPTION = {"SubscriptionArn": f"arn:aws:sns:us-east-1:{ACCOUNT}:denied:1"}
SCHEDULE, SCHEDULE_GROUP = {"Name": "s"}, {"ResourceArn": f"arn:aws:scheduler:us-east-1:{ACCOUNT}:schedule-group/g"}
SCHEDULED = {
    "ScheduleExpression": "rate(1 hour)",
    "FlexibleTimeWindow": {"Mode": "OFF"},
    "Target": {"Arn": QUEUE_ARN, "RoleArn": roles.of()},
}
RULE, OF_RULE, BUS = {"Name": "denied"}, {"Rule": "denied"}, f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/default"
ARCHIVE, REPLAY = {"ArchiveName": "denied"}, {"ReplayName": "denied"}
RULE_ARN = {"ResourceARN": f"arn:aws:events:us-east-1:{ACCOUNT}:rule/denied"}
WANTED = {"EventPattern": '{"source": ["a"]}'}
TIMES = {"EventStartTime": 1, "EventEndTime": 2}
RECEIPT, LABEL = {"ReceiptHandle": "r"}, {"Label": "l"}
NEW = {"Runtime": PYTHON, "Handler": "app.handler", "Role": roles.of(), "Code": {"ZipFile": b"x"}}

CASES = [
    # the service, the operation, what it is asked, and the action that the user may not do where it has another name
    ("events", "CancelReplay", REPLAY, None),
    ("events", "CreateArchive", ARCHIVE | {"EventSourceArn": BUS}, None),
    ("events", "CreateEventBus", RULE, None),
    ("events", "DeleteArchive", ARCHIVE, None),
    ("events", "DeleteEventBus", RULE, None),
    ("events", "DeleteRule", RULE, None),
    ("events", "DescribeArchive", ARCHIVE, None),
    ("events", "DescribeEventBus", {}, None),
    ("events", "DescribeReplay", REPLAY, None),
    ("events", "DescribeRule", RULE, None),
    ("events", "DisableRule", RULE, None),
    ("events", "EnableRule", RULE, None),
    ("events", "ListArchives", {}, None),
    ("events", "ListEventBuses", {}, None),
    ("events", "ListReplays", {}, None),
    ("events", "ListRuleNamesByTarget", {"TargetArn": QUEUE_ARN}, None),
    ("events", "ListRules", {}, None),
    ("events", "ListTagsForResource", RULE_ARN, None),
    ("events", "ListTargetsByRule", OF_RULE, None),
    ("events", "PutEvents", {"Entries": [{"Source": "a", "DetailType": "b", "Detail": "{}"}]}, None),
    ("events", "PutPermission", {"Policy": "{}"}, None),
    ("events", "PutRule", RULE | WANTED, None),
    ("events", "PutTargets", OF_RULE | {"Targets": [{"Id": "1", "Arn": QUEUE_ARN}]}, None),
    ("events", "RemovePermission", {"StatementId": "s"}, None),
    ("events", "RemoveTargets", OF_RULE | {"Ids": ["1"]}, None),
    ("events", "StartReplay", REPLAY | TIMES | {"EventSourceArn": BUS, "Destination": {"Arn": BUS}}, None),
    ("events", "TagResource", RULE_ARN | {"Tags": [{"Key": "k", "Value": "v"}]}, None),
    ("events", "TestEventPattern", WANTED | {"Event": "{}"}, None),
    ("events", "UntagResource", RULE_ARN | {"TagKeys": ["k"]}, None),
    ("events", "UpdateArchive", ARCHIVE, None),
    ("events", "UpdateEventBus", {}, None),
    ("lambda", "AddLayerVersionPermission", LAYER | STATEMENT | {"Action": "lambda:GetLayerVersion"}, None),
    ("lambda", "AddPermission", F | STATEMENT, None),
    ("lambda", "CreateAlias", F | ALIAS | {"FunctionVersion": "1"}, None),
    ("lambda", "CreateFunction", F | NEW, None),
    ("lambda", "CreateFunctionUrlConfig", F | {"AuthType": "NONE"}, None),
    ("lambda", "DeleteAlias", F | ALIAS, None),
    ("lambda", "DeleteFunction", F, None),
    ("lambda", "DeleteFunctionCodeSigningConfig", F, None),
    ("lambda", "DeleteFunctionConcurrency", F, None),
    ("lambda", "DeleteFunctionEventInvokeConfig", F, None),
    ("lambda", "DeleteFunctionUrlConfig", F, None),
    ("lambda", "DeleteLayerVersion", LAYER, None),
    ("lambda", "DeleteProvisionedConcurrencyConfig", F | {"Qualifier": "live"}, None),
    ("lambda", "GetAccountSettings", {}, None),
    ("lambda", "GetAlias", F | ALIAS, None),
    ("lambda", "GetFunction", F, None),
    ("lambda", "GetFunctionCodeSigningConfig", F, None),
    ("lambda", "GetFunctionConcurrency", F, None),
    ("lambda", "GetFunctionConfiguration", F, None),
    ("lambda", "GetFunctionEventInvokeConfig", F, None),
    ("lambda", "GetFunctionRecursionConfig", F, None),
    ("lambda", "GetFunctionUrlConfig", F, None),
    ("lambda", "GetLayerVersion", LAYER, None),
    ("lambda", "GetLayerVersionByArn", {"Arn": f"{LAMBDA}:layer:l:1"}, "GetLayerVersion"),
    ("lambda", "GetLayerVersionPolicy", LAYER, None),
    ("lambda", "GetPolicy", F, None),
    ("lambda", "GetProvisionedConcurrencyConfig", F | {"Qualifier": "live"}, None),
    ("lambda", "GetRuntimeManagementConfig", F, None),
    ("lambda", "Invoke", F, "InvokeFunction"),
    ("lambda", "InvokeAsync", F | {"InvokeArgs": b"{}"}, "InvokeFunction"),
    ("lambda", "InvokeWithResponseStream", F, "InvokeFunction"),
    ("lambda", "ListAliases", F, None),
    ("lambda", "ListFunctionEventInvokeConfigs", F, None),
    ("lambda", "ListFunctionUrlConfigs", F, None),
    ("lambda", "ListFunctions", {}, None),
    ("lambda", "ListLayerVersions", {"LayerName": "l"}, None),
    ("lambda", "ListLayers", {}, None),
    ("lambda", "ListProvisionedConcurrencyConfigs", F, None),
    ("lambda", "ListTags", TAGGED, None),
    ("lambda", "ListVersionsByFunction", F, None),
    ("lambda", "PublishLayerVersion", {"LayerName": "l", "Content": {"ZipFile": b"x"}}, None),
    ("lambda", "PublishVersion", F, None),
    ("lambda", "PutFunctionCodeSigningConfig",
     F | {"CodeSigningConfigArn": f"{LAMBDA}:code-signing-config:csc-0123456789abcdef0"}, None),
    ("lambda", "PutFunctionConcurrency", F | {"ReservedConcurrentExecutions": 1}, None),
    ("lambda", "PutFunctionEventInvokeConfig", F | {"MaximumRetryAttempts": 1}, None),
    ("lambda", "PutFunctionRecursionConfig", F | {"RecursiveLoop": "Allow"}, None),
    ("lambda", "PutProvisionedConcurrencyConfig", F | {"Qualifier": "live", "ProvisionedConcurrentExecutions": 1}, None),
    ("lambda", "PutRuntimeManagementConfig", F | {"UpdateRuntimeOn": "Auto"}, None),
    ("lambda", "RemoveLayerVersionPermission", LAYER | {"StatementId": "s"}, None),
    ("lambda", "RemovePermission", F | {"StatementId": "s"}, None),
    ("lambda", "TagResource", TAGGED | {"Tags": {"a": "b"}}, None),
    ("lambda", "UntagResource", TAGGED | {"TagKeys": ["a"]}, None),
    ("lambda", "UpdateAlias", F | ALIAS, None),
    ("lambda", "UpdateFunctionCode", F | {"ZipFile": b"x"}, None),
    ("lambda", "UpdateFunctionConfiguration", F | {"Timeout": 4}, None),
    ("lambda", "UpdateFunctionEventInvokeConfig", F | {"MaximumRetryAttempts": 1}, None),
    ("lambda", "UpdateFunctionUrlConfig", F, None),
    ("logs", "CreateLogGroup", GROUP, None),
    ("logs", "CreateLogStream", GROUP | STREAM, None),
    ("logs", "DeleteLogGroup", GROUP, None),
    ("logs", "DeleteLogStream", GROUP | STREAM, None),
    ("logs", "DeleteResourcePolicy", {"policyName": "p"}, None),
    ("logs", "DeleteRetentionPolicy", GROUP, None),
    ("logs", "DescribeLogGroups", {}, None),
    ("logs", "DescribeLogStreams", GROUP, None),
    ("logs", "DescribeResourcePolicies", {}, None),
    ("logs", "FilterLogEvents", GROUP, None),
    ("logs", "GetLogEvents", GROUP | STREAM, None),
    ("logs", "ListTagsForResource", GROUP_ARN, None),
    ("logs", "ListTagsLogGroup", GROUP, None),
    ("logs", "PutLogEvents", GROUP | STREAM | {"logEvents": [{"timestamp": 1, "message": "x"}]}, None),
    ("logs", "PutResourcePolicy", {"policyName": "p", "policyDocument": "{}"}, None),
    ("logs", "PutRetentionPolicy", GROUP | {"retentionInDays": 1}, None),
    ("logs", "TagLogGroup", GROUP | {"tags": {"a": "b"}}, None),
    ("logs", "TagResource", GROUP_ARN | {"tags": {"a": "b"}}, None),
    ("logs", "UntagLogGroup", GROUP | {"tags": ["a"]}, None),
    ("logs", "UntagResource", GROUP_ARN | {"tagKeys": ["a"]}, None),
    ("scheduler", "CreateSchedule", SCHEDULE | SCHEDULED, None),
    ("scheduler", "CreateScheduleGroup", SCHEDULE, None),
    ("scheduler", "DeleteSchedule", SCHEDULE, None),
    ("scheduler", "DeleteScheduleGroup", SCHEDULE, None),
    ("scheduler", "GetSchedule", SCHEDULE, None),
    ("scheduler", "GetScheduleGroup", SCHEDULE, None),
    ("scheduler", "ListScheduleGroups", {}, None),
    ("scheduler", "ListSchedules", {}, None),
    ("scheduler", "ListTagsForResource", SCHEDULE_GROUP, None),
    ("scheduler", "TagResource", SCHEDULE_GROUP | {"Tags": [{"Key": "k", "Value": "v"}]}, None),
    ("scheduler", "UntagResource", SCHEDULE_GROUP | {"TagKeys": ["k"]}, None),
    ("scheduler", "UpdateSchedule", SCHEDULE | SCHEDULED, None),
    ("sns", "AddPermission", TOPIC | LABEL | {"AWSAccountId": [FRIEND], "ActionName": ["Publish"]}, None),
    ("sns", "ConfirmSubscription", TOPIC | {"Token": "t"}, None),
    ("sns", "CreateTopic", {"Name": "denied"}, None),
    ("sns", "DeleteTopic", TOPIC, None),
    ("sns", "GetSubscriptionAttributes", SUBSCRIPTION, None),
    ("sns", "GetTopicAttributes", TOPIC, None),
    ("sns", "ListSubscriptions", {}, None),
    ("sns", "ListSubscriptionsByTopic", TOPIC, None),
    ("sns", "ListTagsForResource", TOPIC_ARN, None),
    ("sns", "ListTopics", {}, None),
    ("sns", "Publish", TOPIC | {"Message": "m"}, None),
    ("sns", "PublishBatch", TOPIC | {"PublishBatchRequestEntries": [{"Id": "a", "Message": "m"}]}, "Publish"),
    ("sns", "RemovePermission", TOPIC | LABEL, None),
    ("sns", "SetSubscriptionAttributes", SUBSCRIPTION | {"AttributeName": "FilterPolicy"}, None),
    ("sns", "SetTopicAttributes", TOPIC | {"AttributeName": "DisplayName"}, None),
    ("sns", "Subscribe", TOPIC | {"Protocol": "sqs", "Endpoint": QUEUE_ARN}, None),
    ("sns", "TagResource", TOPIC_ARN | {"Tags": [{"Key": "k", "Value": "v"}]}, None),
    ("sns", "Unsubscribe", SUBSCRIPTION, None),
    ("sns", "UntagResource", TOPIC_ARN | {"TagKeys": ["k"]}, None),
    ("sqs", "AddPermission", QUEUE | LABEL | {"AWSAccountIds": [FRIEND], "Actions": ["SendMessage"]}, None),
    ("sqs", "CancelMessageMoveTask", {"TaskHandle": "t"}, None),
    ("sqs", "ChangeMessageVisibility", QUEUE | RECEIPT | {"VisibilityTimeout": 1}, None),
    ("sqs", "ChangeMessageVisibilityBatch", QUEUE | {"Entries": [{"Id": "a"} | RECEIPT]}, "ChangeMessageVisibility"),
    ("sqs", "CreateQueue", {"QueueName": "denied-too"}, None),
    ("sqs", "DeleteMessage", QUEUE | RECEIPT, None),
    ("sqs", "DeleteMessageBatch", QUEUE | {"Entries": [{"Id": "a"} | RECEIPT]}, "DeleteMessage"),
    ("sqs", "DeleteQueue", QUEUE, None),
    ("sqs", "GetQueueAttributes", QUEUE, None),
    ("sqs", "GetQueueUrl", {"QueueName": "denied"}, None),
    ("sqs", "ListDeadLetterSourceQueues", QUEUE, None),
    ("sqs", "ListMessageMoveTasks", {"SourceArn": QUEUE_ARN}, None),
    ("sqs", "ListQueueTags", QUEUE, None),
    ("sqs", "ListQueues", {}, None),
    ("sqs", "PurgeQueue", QUEUE, None),
    ("sqs", "ReceiveMessage", QUEUE, None),
    ("sqs", "RemovePermission", QUEUE | LABEL, None),
    ("sqs", "SendMessage", QUEUE | {"MessageBody": "m"}, None),
    ("sqs", "SendMessageBatch", QUEUE | {"Entries": [{"Id": "a", "MessageBody": "m"}]}, "SendMessage"),
    ("sqs", "SetQueueAttributes", QUEUE | {"Attributes": {"DelaySeconds": "1"}}, None),
    ("sqs", "StartMessageMoveTask", {"SourceArn": QUEUE_ARN}, None),
    ("sqs", "TagQueue", QUEUE | {"Tags": {"a": "b"}}, None),
    ("sqs", "UntagQueue", QUEUE | {"TagKeys": ["a"]}, None),
    ("sts", "AssumeRole", {"RoleArn": roles.of(), "RoleSessionName": "session"}, None),
    ("sts", "GetAccessKeyInfo", {"AccessKeyId": "AKIAIOSFODNN7EXAMPLE"}, None),
]


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(*actions, effect="Allow", resource="*", **more):
    return {"Effect": effect, "Action": list(actions), "Resource": resource} | more


class User:
    """A user on the server, with policies of its own."""

    def __init__(self, server, name, account=ACCOUNT):
        self.server, self.name, self.iam = server, name, server.client("iam", account)
        self.arn = self.iam.create_user(UserName=name)["User"]["Arn"]
        key = self.iam.create_access_key(UserName=name)["AccessKey"]
        self.key = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}

    def client(self, service):
        return self.server.client(service, **self.key)

    def may(self, *statements):
        self.iam.put_user_policy(UserName=self.name, PolicyName="own", PolicyDocument=document(*statements))
        return self


@pytest.fixture(scope="module")
def nobody(server):
    return User(server, "suite-nobody")


@pytest.fixture(scope="module")
def queue(server):
    """The queue that is asked for."""
    return server.client("sqs").create_queue(QueueName="denied")["QueueUrl"]


@pytest.mark.parametrize("service, operation, asked, action", CASES, ids=[f"{case[0]}-{case[1]}" for case in CASES])
def test_who_has_no_leave_may_do_nothing(nobody, queue, service, operation, asked, action):
    code, message, status = refused(getattr(nobody.client(service), xform_name(operation)), **asked)
    action = f"{service}:{action or operation}"
    action = action.lower() if service == "sqs" else action.replace("sns:", "SNS:")
    assert code in ("AccessDeniedException", "AccessDenied", "AuthorizationError") and status in (400, 403), (code, message)
    assert message.startswith(f"User: {USER} is not authorized to perform: {action} on resource: "), message
    if service != "sts":
        assert message.endswith(f" because no identity-based policy allows the {action} action"), message


def test_an_explicit_deny_wins_over_every_allowance(server, deploy):
    function = deploy(PYTHON, "def handler(event, context):\n    return 'ran'\n")
    arn = f"{LAMBDA}:function:{function.name}"
    user = User(server, name_of("denied"))
    user.iam.attach_user_policy(UserName=user.name, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    client = user.client("lambda")
    assert json.load(client.invoke(FunctionName=function.name)["Payload"]) == "ran"
    user.may(allow("lambda:InvokeFunction", effect="Deny", resource=arn))
    assert refused(client.invoke, FunctionName=function.name) == (
        "AccessDeniedException",
        f"User: {user.arn} is not authorized to perform: lambda:InvokeFunction on resource: {arn}"
        " with an explicit deny in an identity-based policy",
        403,
    )
    assert client.get_function(FunctionName=function.name)["Configuration"]["FunctionArn"] == arn


def test_another_account_needs_the_policy_of_the_function_and_its_own(server, deploy):
    function = deploy(PYTHON, "def handler(event, context):\n    return 'ran'\n")
    arn = f"{LAMBDA}:function:{function.name}"
    stranger = User(server, name_of("stranger"), FRIEND)
    client = stranger.client("lambda")
    stranger.may(allow("lambda:*"))
    code, message, _ = refused(client.invoke, FunctionName=arn)
    assert code == "AccessDeniedException"
    assert message.endswith("because no resource-based policy allows the lambda:InvokeFunction action"), message
    function.client.add_permission(
        FunctionName=function.name, StatementId="friend", Action="lambda:InvokeFunction", Principal=FRIEND
    )
    assert json.load(client.invoke(FunctionName=arn)["Payload"]) == "ran"
    assert refused(client.get_function, FunctionName=arn)[0] == "AccessDeniedException", "that action was not given"
    stranger.may(allow("lambda:GetFunction"))
    code, message, _ = refused(client.invoke, FunctionName=arn)
    assert code == "AccessDeniedException"
    assert message.endswith("because no identity-based policy allows the lambda:InvokeFunction action"), message


def test_another_account_needs_the_policy_of_the_queue_and_its_own(server):
    sqs = server.client("sqs")
    name = name_of("shared")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    stranger = User(server, name_of("stranger"), FRIEND).may(allow("sqs:*"))
    client = stranger.client("sqs")
    denied = lambda: refused(client.send_message, QueueUrl=url, MessageBody="m")  # noqa: E731
    assert denied()[0] in ("AccessDenied", "AccessDeniedException")
    sqs.add_permission(QueueUrl=url, Label="friend", AWSAccountIds=[FRIEND], Actions=["SendMessage"])
    client.send_message(QueueUrl=url, MessageBody="from a friend")
    assert [it["Body"] for it in sqs.receive_message(QueueUrl=url)["Messages"]] == ["from a friend"]
    assert refused(client.receive_message, QueueUrl=url)[0] in ("AccessDenied", "AccessDeniedException")
    stranger.may(allow("sqs:ReceiveMessage"))
    assert denied()[0] in ("AccessDenied", "AccessDeniedException"), "its own account must let it, too"


def test_who_may_not_pass_a_role_makes_no_function_of_it(server):
    user = User(server, name_of("maker")).may(allow("lambda:*"))
    client, name = user.client("lambda"), name_of("passed")
    new = NEW | {"FunctionName": name, "Code": {"ZipFile": code(PYTHON, "def handler(event, context):\n    return 1\n")}}
    told, message, _ = refused(client.create_function, **new)
    assert told == "AccessDeniedException"
    assert message.startswith(f"User: {user.arn} is not authorized to perform: iam:PassRole on resource: {roles.of()} "), message
    elsewhere = {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}
    user.may(allow("lambda:*"), allow("iam:PassRole", resource=roles.of(), Condition=elsewhere))
    assert refused(client.create_function, **new)[0] == "AccessDeniedException"
    here = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
    user.may(allow("lambda:*"), allow("iam:PassRole", resource=roles.of(), Condition=here))
    assert client.create_function(**new)["Role"] == roles.of()
    client.delete_function(FunctionName=name)
