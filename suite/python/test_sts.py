"""STS through boto3: who one is, sessions of users and roles, and the root key of a data directory."""

import json
import os
import re
import subprocess

import pytest
from botocore.config import Config
from hearth import ONCE, Server, run, variables
from test_functions import refused
from test_iam import ALLOW, BASIC, TRUST, text

ACCOUNT = "707070707070"
# The SDK would refuse some requests itself: here the server is to.
UNCHECKED = ONCE.merge(Config(parameter_validation=False))
ASSUME = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": ["sts:*", "iam:GetUser"], "Resource": "*"}}


def trusting(*principals, action="sts:AssumeRole", **conditions):
    """A trust policy, with conditions by their operators."""
    statement = {"Effect": "Allow", "Principal": {"AWS": list(principals)}, "Action": action}
    if conditions:
        statement["Condition"] = conditions
    return text({"Version": "2012-10-17", "Statement": statement})


@pytest.fixture(scope="module")
def iam(server):
    return server.client("iam", ACCOUNT)


class User:
    """A user with a key, who may do everything of STS."""

    def __init__(self, server, iam, name):
        self.server, self.name, self.arn = server, name, f"arn:aws:iam::{ACCOUNT}:user/{name}"
        self.id = iam.create_user(UserName=name)["User"]["UserId"]
        iam.put_user_policy(UserName=name, PolicyName="assume", PolicyDocument=text(ASSUME))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        self.pair = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}

    def client(self, service):
        return self.server.client(service, **self.pair)


@pytest.fixture(scope="module")
def user(server, iam):
    return User(server, iam, "caller")


@pytest.fixture
def role(iam, user):
    """Makes roles, and deletes them after the test."""
    made = []

    def make(name, trust=None, **settings):
        trust = trust or trusting(user.arn)
        made.append(name)
        return iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, **settings)["Role"]

    yield make
    for name in made:
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            iam.delete_role_policy(RoleName=name, PolicyName=policy)
        iam.delete_role(RoleName=name)


def using(server, service, credentials):
    """A client with temporary credentials."""
    return server.client(
        service,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )


def test_a_user_is_told_its_name_and_id(user):
    identity = user.client("sts").get_caller_identity()
    assert (identity["UserId"], identity["Account"], identity["Arn"]) == (user.id, ACCOUNT, user.arn)


def test_a_role_is_assumed_by_those_it_trusts(server, user, role):
    made = role("plain", Path="/x/")
    answer = user.client("sts").assume_role(RoleArn=made["Arn"], RoleSessionName="night")
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/plain/night"
    assert answer["AssumedRoleUser"] == {"AssumedRoleId": f"{made['RoleId']}:night", "Arn": arn}
    assert answer["Credentials"]["AccessKeyId"].startswith("ASIA") and "PackedPolicySize" not in answer
    identity = using(server, "sts", answer["Credentials"]).get_caller_identity()
    assert (identity["UserId"], identity["Arn"]) == (f"{made['RoleId']}:night", arn)


def test_who_is_not_trusted_assumes_nothing(user, role):
    sts = user.client("sts")
    denied = f"User: {user.arn} is not authorized to perform: sts:AssumeRole on resource: "
    for arn in [role("of-lambda", text(TRUST))["Arn"], f"arn:aws:iam::{ACCOUNT}:role/missing"]:
        code, message, status = refused(sts.assume_role, RoleArn=arn, RoleSessionName="session")
        assert (code, status) == ("AccessDenied", 403) and message.startswith(denied + arn)


def test_root_assumes_no_role(server, role):
    root = server.client("sts", ACCOUNT)
    arn = role("for-root", trusting(f"arn:aws:iam::{ACCOUNT}:root"))["Arn"]
    words = "Roles may not be assumed by root accounts."
    assert refused(root.assume_role, RoleArn=arn, RoleSessionName="session") == ("AccessDenied", words, 403)


def test_the_external_id_must_be_the_one_agreed_on(user, role):
    sts = user.client("sts")
    arn = role("external", trusting(user.arn, StringEquals={"sts:ExternalId": "agreed"}))["Arn"]
    sts.assume_role(RoleArn=arn, RoleSessionName="session", ExternalId="agreed")
    for wrong in ({}, {"ExternalId": "other"}):
        assert refused(sts.assume_role, RoleArn=arn, RoleSessionName="session", **wrong)[0] == "AccessDenied"


def test_durations_are_bounded_by_the_role_and_by_chaining(server, user, role, iam):
    sts = user.client("sts")
    long = role("long", MaxSessionDuration=14_400)["Arn"]
    answer = sts.assume_role(RoleArn=long, RoleSessionName="session", DurationSeconds=14_400)["Credentials"]
    short = role("short", trusting(f"arn:aws:iam::{ACCOUNT}:role/long", user.arn))["Arn"]
    code, message, _ = refused(sts.assume_role, RoleArn=short, RoleSessionName="session", DurationSeconds=3601)
    assert (code, message) == (
        "ValidationError",
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
    )
    unchecked = server.client("sts", **user.pair, config=UNCHECKED)
    code, message, _ = refused(unchecked.assume_role, RoleArn=short, RoleSessionName="session", DurationSeconds=899)
    assert code == "ValidationError" and "at 'durationSeconds'" in message
    iam.put_role_policy(RoleName="long", PolicyName="assume", PolicyDocument=text(ASSUME))
    chained = using(server, "sts", answer)
    chained.assume_role(RoleArn=short, RoleSessionName="chained", DurationSeconds=3600)
    code, message, _ = refused(chained.assume_role, RoleArn=short, RoleSessionName="chained", DurationSeconds=3601)
    assert (code, message) == (
        "ValidationError",
        "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
    )


def test_session_policies_are_checked_and_bounded(user, role):
    sts = user.client("sts")
    arn = role("scoped")["Arn"]
    asked = {"RoleArn": arn, "RoleSessionName": "session"}
    answer = sts.assume_role(**asked, Policy=text(ALLOW), PolicyArns=[{"arn": BASIC}])
    assert 0 < answer["PackedPolicySize"] <= 100
    assert refused(sts.assume_role, **asked, Policy="{")[0] == "MalformedPolicyDocument"
    missing = "arn:aws:iam::aws:policy/NoSuchPolicy"
    assert refused(sts.assume_role, **asked, PolicyArns=[{"arn": missing}])[0] == "ValidationError"
    assert refused(sts.assume_role, **asked, PolicyArns=[{"arn": BASIC}] * 11)[0] == "ValidationError"
    tags = [{"Key": f"key-{n}" + "k" * 100, "Value": "v" * 250} for n in range(20)]
    trust_tags = trusting(user.arn, action=["sts:AssumeRole", "sts:TagSession"])
    arn = role("tagged-much", trust_tags)["Arn"]
    code, message, _ = refused(sts.assume_role, RoleArn=arn, RoleSessionName="session", Tags=tags)
    assert code == "PackedPolicyTooLarge" and re.match(r"Packed policy consumes \d+% of allotted space", message)


def test_tags_need_leave_and_transitive_ones_go_on(server, iam, user, role):
    sts = user.client("sts")
    tags = [{"Key": "team", "Value": "red"}, {"Key": "cost", "Value": "1"}]
    untagged = role("untagged")["Arn"]
    code, message, _ = refused(sts.assume_role, RoleArn=untagged, RoleSessionName="session", Tags=tags)
    assert code == "AccessDenied" and "sts:TagSession" in message
    both = ["sts:AssumeRole", "sts:TagSession"]
    first = role("first", trusting(user.arn, action=both))["Arn"]
    iam.put_role_policy(RoleName="first", PolicyName="assume", PolicyDocument=text(ASSUME))
    red = trusting(first, action=both, StringEquals={"aws:PrincipalTag/team": "red"})
    second = role("second", red)["Arn"]
    answer = sts.assume_role(RoleArn=first, RoleSessionName="one", Tags=tags, TransitiveTagKeys=["team"])
    chained = using(server, "sts", answer["Credentials"])
    chained.assume_role(RoleArn=second, RoleSessionName="two")
    again = [{"Key": "Team", "Value": "blue"}]
    code, message, _ = refused(chained.assume_role, RoleArn=second, RoleSessionName="two", Tags=again)
    assert code == "ValidationError" and "conflicts with a transitive tag key from the calling session" in message
    blue = sts.assume_role(RoleArn=first, RoleSessionName="one", Tags=again)
    assert refused(using(server, "sts", blue["Credentials"]).assume_role, RoleArn=second, RoleSessionName="two")[0] == "AccessDenied"
    loose = {"RoleArn": first, "RoleSessionName": "one", "TransitiveTagKeys": ["absent"]}
    assert refused(sts.assume_role, **loose)[0] == "ValidationError"


def test_the_source_identity_needs_leave_and_stays(server, iam, user, role):
    sts = user.client("sts")
    plain = role("anonymous")["Arn"]
    code, message, _ = refused(sts.assume_role, RoleArn=plain, RoleSessionName="session", SourceIdentity="Ada")
    assert code == "AccessDenied" and "sts:SetSourceIdentity" in message
    both = ["sts:AssumeRole", "sts:SetSourceIdentity"]
    first = role("known", trusting(user.arn, action=both))["Arn"]
    iam.put_role_policy(RoleName="known", PolicyName="assume", PolicyDocument=text(ASSUME))
    second = role("known-too", trusting(first, action=both))["Arn"]
    answer = sts.assume_role(RoleArn=first, RoleSessionName="session", SourceIdentity="Ada")
    assert answer["SourceIdentity"] == "Ada"
    chained = using(server, "sts", answer["Credentials"])
    assert chained.assume_role(RoleArn=second, RoleSessionName="session")["SourceIdentity"] == "Ada"
    assert refused(chained.assume_role, RoleArn=second, RoleSessionName="session", SourceIdentity="Bob")[0] == "AccessDenied"


def test_a_session_ends_with_its_role(server, iam, user):
    arn = iam.create_role(RoleName="brief", AssumeRolePolicyDocument=trusting(user.arn))["Role"]["Arn"]
    session = using(server, "sts", user.client("sts").assume_role(RoleArn=arn, RoleSessionName="session")["Credentials"])
    assert session.get_caller_identity()["Account"] == ACCOUNT
    iam.delete_role(RoleName="brief")
    iam.create_role(RoleName="brief", AssumeRolePolicyDocument=trusting(user.arn))
    assert refused(session.get_caller_identity)[0] == "InvalidClientTokenId"
    iam.delete_role(RoleName="brief")


def test_session_tokens_are_their_user_until_it_is_gone(server, iam):
    user = User(server, iam, "tokened")
    credentials = user.client("sts").get_session_token(DurationSeconds=900)["Credentials"]
    session = using(server, "sts", credentials)
    assert session.get_caller_identity()["Arn"] == user.arn
    words = "Cannot call GetSessionToken with session credentials"
    assert refused(session.get_session_token) == ("AccessDenied", words, 403)
    assert refused(using(server, "iam", credentials).get_user)[0] == "InvalidClientTokenId"
    iam.update_user(UserName="tokened", NewUserName="renamed")
    assert session.get_caller_identity()["Arn"].endswith(":user/renamed")
    iam.delete_access_key(UserName="renamed", AccessKeyId=user.pair["aws_access_key_id"])
    iam.delete_user_policy(UserName="renamed", PolicyName="assume")
    iam.delete_user(UserName="renamed")
    assert refused(session.get_caller_identity)[0] == "InvalidClientTokenId"
    unchecked = server.client("sts", config=UNCHECKED)
    assert refused(unchecked.get_session_token, DurationSeconds=899)[0] == "ValidationError"


def test_key_ids_tell_their_account(server, user):
    sts = user.client("sts")
    assert sts.get_access_key_info(AccessKeyId=user.pair["aws_access_key_id"])["Account"] == ACCOUNT
    session = sts.get_session_token()["Credentials"]["AccessKeyId"]
    assert sts.get_access_key_info(AccessKeyId=session)["Account"] == ACCOUNT
    assert refused(sts.get_access_key_info, AccessKeyId="AKIAIOSFODNN7EXAMPLE")[0] == "ValidationError"


@pytest.mark.parametrize(
    "call, arguments, name",
    [
        ("decode_authorization_message", {"EncodedMessage": "x"}, "DecodeAuthorizationMessage"),
        ("get_federation_token", {"Name": "ada"}, "GetFederationToken"),
    ],
)
def test_what_is_not_there_is_refused_by_name(server, call, arguments, name):
    code, message, _ = refused(getattr(server.client("sts"), call), **arguments)
    assert code == "InvalidAction" and name in message


def test_mfa_is_refused_by_name(user, role):
    arn = role("mfa")["Arn"]
    mfa = {"SerialNumber": "arn:aws:iam::1:mfa/x", "TokenCode": "123456"}
    code, message, _ = refused(user.client("sts").assume_role, RoleArn=arn, RoleSessionName="session", **mfa)
    assert code == "ValidationError" and "SerialNumber" in message


def made_key(outcome):
    """The key that `hearth credentials` shows."""
    assert outcome.returncode == 0, outcome.stderr
    shown = dict(re.findall(r"^AWS_(\w+)=(\S+)$", outcome.stdout, re.M))
    return {"aws_access_key_id": shown["ACCESS_KEY_ID"], "aws_secret_access_key": shown["SECRET_ACCESS_KEY"]}


def test_a_root_key_is_made_once_and_opens_the_server_to_others(tmp_path):
    place = ("--data-dir", tmp_path / "hearth")
    closed = run("serve", *place, "--listen", "0.0.0.0:0")
    assert closed.returncode != 0 and "hearth credentials create" in closed.stderr
    assert "no root key" in run("credentials", *place).stdout
    assert "no root key yet" in run("credentials", "rotate", *place).stderr
    key = made_key(run("credentials", "create", *place, "--account", "909090909090"))
    again = run("credentials", "create", *place)
    assert again.returncode != 0 and key["aws_access_key_id"] in again.stderr
    shown = run("credentials", *place).stdout
    assert key["aws_access_key_id"] in shown and key["aws_secret_access_key"] not in shown
    with Server(*place, listen="0.0.0.0:0") as server:
        server.endpoint = f"http://127.0.0.1:{server.port}"
        assert server.client("sts", **key).get_caller_identity()["Arn"] == "arn:aws:iam::909090909090:root"
        assert refused(server.client("sts").get_caller_identity)[0] == "InvalidClientTokenId"
        assert refused(server.client("sts", "909090909090").get_caller_identity)[0] == "InvalidClientTokenId"
        busy = run("credentials", "rotate", *place)
        assert busy.returncode != 0
        assert key["aws_secret_access_key"] not in server.complaints()
    rotated = made_key(run("credentials", "rotate", *place))
    assert rotated != key
    with Server(*place) as server:
        assert server.client("sts", **rotated).get_caller_identity()["Account"] == "909090909090"
        assert refused(server.client("sts", **key).get_caller_identity)[0] == "InvalidClientTokenId"
    stored = b"".join(path.read_bytes() for path in (tmp_path / "hearth").rglob("*") if path.is_file())
    assert rotated["aws_secret_access_key"].encode() not in stored


def test_a_server_that_keeps_nothing_has_no_root_key():
    outcome = run("credentials", "create", "--ephemeral")
    assert outcome.returncode != 0 and "--data-dir" in outcome.stderr


@pytest.mark.parametrize("variable", ["HEARTH_AWS_CLI_1", "HEARTH_AWS_CLI_2"])
def test_the_aws_cli_makes_a_role_and_becomes_it(server, variable, user):
    program = os.environ.get(variable)
    if not program:
        pytest.skip("run this with cargo xtask test")
    environment = variables(
        AWS_ENDPOINT_URL=server.endpoint, AWS_DEFAULT_REGION="us-east-1", AWS_ACCESS_KEY_ID=ACCOUNT, AWS_SECRET_ACCESS_KEY="test"
    )

    def aws(*arguments, **changes):
        arguments = [program, "--endpoint-url", server.endpoint, *arguments, "--output", "json"]
        done = subprocess.run(arguments, env=environment | changes, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    name = variable.lower().replace("_", "-")
    made = aws("iam", "create-role", "--role-name", name, "--assume-role-policy-document", trusting(user.arn))["Role"]
    aws("iam", "attach-role-policy", "--role-name", name, "--policy-arn", BASIC)
    assert aws("iam", "list-attached-role-policies", "--role-name", name)["AttachedPolicies"][0]["PolicyArn"] == BASIC
    caller = {name.upper(): value for name, value in user.pair.items()}
    session = aws("sts", "assume-role", "--role-arn", made["Arn"], "--role-session-name", "cli", **caller)
    assert session["AssumedRoleUser"]["AssumedRoleId"] == f"{made['RoleId']}:cli"
    aws("iam", "detach-role-policy", "--role-name", name, "--policy-arn", BASIC)
    aws("iam", "delete-role", "--role-name", name)
