"""IAM through boto3: every kind of entity is made, read back, changed, read back, deleted, and then not found."""

import json

import pytest
from botocore import xform_name
from hearth import Server
from test_functions import refused

ALLOW = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
DENY = {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}}
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
ACCOUNT = "101010101010"


@pytest.fixture(scope="module")
def iam(server):
    """The root of an account that no other module uses."""
    return server.client("iam", ACCOUNT)


def text(document):
    return json.dumps(document)


def gone(call, message, **named):
    assert refused(call, **named) == ("NoSuchEntity", message, 404)


def test_a_user_is_made_changed_and_deleted(iam):
    user = iam.create_user(UserName="Ada", Path="/lab/", Tags=[{"Key": "team", "Value": "one"}])["User"]
    assert user["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/lab/Ada"
    assert user["UserId"].startswith("AIDA") and len(user["UserId"]) == 21
    assert iam.get_user(UserName="Ada")["User"] == user
    assert refused(iam.create_user, UserName="aDA") == ("EntityAlreadyExists", "User with name aDA already exists.", 409)
    iam.update_user(UserName="Ada", NewPath="/", NewUserName="Ada.Lovelace")
    moved = iam.get_user(UserName="Ada.Lovelace")["User"]
    assert (moved["UserId"], moved["Arn"]) == (user["UserId"], f"arn:aws:iam::{ACCOUNT}:user/Ada.Lovelace")
    gone(iam.get_user, "The user with name Ada cannot be found.", UserName="Ada")
    iam.tag_user(UserName="Ada.Lovelace", Tags=[{"Key": "TEAM", "Value": "two"}, {"Key": "floor", "Value": "3"}])
    tags = {tag["Key"]: tag["Value"] for tag in iam.list_user_tags(UserName="Ada.Lovelace")["Tags"]}
    assert tags == {"TEAM": "two", "floor": "3"}
    iam.untag_user(UserName="Ada.Lovelace", TagKeys=["floor", "missing"])
    assert [tag["Key"] for tag in iam.list_user_tags(UserName="Ada.Lovelace")["Tags"]] == ["TEAM"]
    iam.put_user_permissions_boundary(UserName="Ada.Lovelace", PermissionsBoundary=BASIC)
    assert iam.get_user(UserName="Ada.Lovelace")["User"]["PermissionsBoundary"] == {
        "PermissionsBoundaryType": "PermissionsBoundaryPolicy",
        "PermissionsBoundaryArn": BASIC,
    }
    iam.delete_user_permissions_boundary(UserName="Ada.Lovelace")
    assert "PermissionsBoundary" not in iam.get_user(UserName="Ada.Lovelace")["User"]
    assert refused(iam.delete_user_permissions_boundary, UserName="Ada.Lovelace")[0] == "NoSuchEntity"
    iam.delete_user(UserName="Ada.Lovelace")
    gone(iam.delete_user, "The user with name Ada.Lovelace cannot be found.", UserName="Ada.Lovelace")


def test_a_user_with_anything_left_is_not_deleted(iam):
    iam.create_user(UserName="busy")
    iam.create_group(GroupName="crowd")
    key = iam.create_access_key(UserName="busy")["AccessKey"]["AccessKeyId"]
    iam.put_user_policy(UserName="busy", PolicyName="p", PolicyDocument=text(ALLOW))
    iam.attach_user_policy(UserName="busy", PolicyArn=BASIC)
    iam.add_user_to_group(UserName="busy", GroupName="crowd")

    def conflict(words):
        assert refused(iam.delete_user, UserName="busy") == ("DeleteConflict", f"Cannot delete entity, must {words} first.", 409)

    conflict("delete access keys")
    iam.delete_access_key(UserName="busy", AccessKeyId=key)
    conflict("delete policies")
    iam.delete_user_policy(UserName="busy", PolicyName="p")
    conflict("detach all policies")
    iam.detach_user_policy(UserName="busy", PolicyArn=BASIC)
    conflict("remove users from group")
    assert refused(iam.delete_group, GroupName="crowd")[:2] == (
        "DeleteConflict",
        "Cannot delete entity, must remove users from group first.",
    )
    iam.remove_user_from_group(UserName="busy", GroupName="crowd")
    assert refused(iam.remove_user_from_group, UserName="busy", GroupName="crowd")[0] == "NoSuchEntity"
    iam.delete_user(UserName="busy")
    iam.delete_group(GroupName="crowd")


def test_a_group_keeps_its_members_under_another_name(iam):
    group = iam.create_group(GroupName="devs", Path="/a/")["Group"]
    assert group["Arn"] == f"arn:aws:iam::{ACCOUNT}:group/a/devs" and group["GroupId"].startswith("AGPA")
    assert refused(iam.create_group, GroupName="DEVS")[0] == "EntityAlreadyExists"
    for name in ("one", "two"):
        iam.create_user(UserName=name)
        iam.add_user_to_group(UserName=name, GroupName="devs")
        iam.add_user_to_group(UserName=name, GroupName="devs")
    iam.update_group(GroupName="devs", NewGroupName="developers", NewPath="/b/")
    found = iam.get_group(GroupName="developers")
    assert found["Group"]["GroupId"] == group["GroupId"]
    assert [user["UserName"] for user in found["Users"]] == ["one", "two"]
    assert [it["GroupName"] for it in iam.list_groups_for_user(UserName="one")["Groups"]] == ["developers"]
    assert [it["GroupName"] for it in iam.list_groups(PathPrefix="/b/")["Groups"]] == ["developers"]
    iam.update_user(UserName="two", NewUserName="second")
    assert [user["UserName"] for user in iam.get_group(GroupName="developers")["Users"]] == ["one", "second"]
    for name in ("one", "second"):
        iam.remove_user_from_group(UserName=name, GroupName="developers")
        iam.delete_user(UserName=name)
    iam.delete_group(GroupName="developers")
    gone(iam.get_group, "The group with name developers cannot be found.", GroupName="developers")


def test_a_role_is_made_changed_and_deleted(iam):
    made = iam.create_role(
        RoleName="worker",
        Path="/service-role/",
        AssumeRolePolicyDocument=text(TRUST),
        Description="works",
        MaxSessionDuration=7200,
        Tags=[{"Key": "k", "Value": "v"}],
        PermissionsBoundary=BASIC,
    )["Role"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/service-role/worker" and made["RoleId"].startswith("AROA")
    assert made["AssumeRolePolicyDocument"] == TRUST
    role = iam.get_role(RoleName="worker")["Role"]
    assert (role["Description"], role["MaxSessionDuration"], role["RoleLastUsed"]) == ("works", 7200, {})
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == BASIC
    listed = iam.list_roles(PathPrefix="/service-role/")["Roles"]
    assert [it["RoleName"] for it in listed] == ["worker"] and "Tags" not in listed[0]
    assert refused(iam.create_role, RoleName="Worker", AssumeRolePolicyDocument=text(TRUST))[0] == "EntityAlreadyExists"
    iam.update_role(RoleName="worker", Description="rests")
    role = iam.get_role(RoleName="worker")["Role"]
    assert (role["Description"], role["MaxSessionDuration"]) == ("rests", 3600)
    assert iam.update_role_description(RoleName="worker", Description="x")["Role"]["Description"] == "x"
    anyone = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}}
    iam.update_assume_role_policy(RoleName="worker", PolicyDocument=text(anyone))
    assert iam.get_role(RoleName="worker")["Role"]["AssumeRolePolicyDocument"] == anyone
    iam.tag_role(RoleName="worker", Tags=[{"Key": "other", "Value": ""}])
    iam.untag_role(RoleName="worker", TagKeys=["K"])
    assert iam.list_role_tags(RoleName="worker")["Tags"] == [{"Key": "other", "Value": ""}]
    iam.delete_role_permissions_boundary(RoleName="worker")
    iam.put_role_permissions_boundary(RoleName="worker", PermissionsBoundary=BASIC)
    assert iam.list_instance_profiles_for_role(RoleName="worker")["InstanceProfiles"] == []
    assert iam.list_instance_profiles()["InstanceProfiles"] == []
    iam.attach_role_policy(RoleName="worker", PolicyArn=BASIC)
    iam.put_role_policy(RoleName="worker", PolicyName="p", PolicyDocument=text(ALLOW))
    conflict = "Cannot delete entity, must detach all policies first."
    assert refused(iam.delete_role, RoleName="worker") == ("DeleteConflict", conflict, 409)
    iam.detach_role_policy(RoleName="worker", PolicyArn=BASIC)
    conflict = "Cannot delete entity, must delete policies first."
    assert refused(iam.delete_role, RoleName="worker") == ("DeleteConflict", conflict, 409)
    iam.delete_role_policy(RoleName="worker", PolicyName="p")
    iam.delete_role(RoleName="worker")
    gone(iam.get_role, "The role with name worker cannot be found.", RoleName="worker")


@pytest.fixture
def entities(iam):
    """A user, a group and a role, and for each the verbs of its policies."""
    iam.create_user(UserName="u")
    iam.create_group(GroupName="g")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=text(TRUST))
    yield [("user", {"UserName": "u"}, "u"), ("group", {"GroupName": "g"}, "g"), ("role", {"RoleName": "r"}, "r")]
    iam.delete_user(UserName="u")
    iam.delete_group(GroupName="g")
    iam.delete_role(RoleName="r")


def test_inline_policies_are_kept_as_they_were_given(iam, entities):
    for kind, who, name in entities:
        call = lambda verb: getattr(iam, verb.format(kind))  # noqa: E731
        call("put_{}_policy")(**who, PolicyName="p", PolicyDocument=text(ALLOW))
        found = call("get_{}_policy")(**who, PolicyName="p")
        assert (found["PolicyName"], found["PolicyDocument"]) == ("p", ALLOW)
        call("put_{}_policy")(**who, PolicyName="p", PolicyDocument=text(DENY))
        call("put_{}_policy")(**who, PolicyName="another", PolicyDocument=text(ALLOW))
        assert call("get_{}_policy")(**who, PolicyName="p")["PolicyDocument"] == DENY
        assert call("list_{}_policies")(**who)["PolicyNames"] == ["another", "p"]
        long = text(ALLOW | {"Statement": [ALLOW["Statement"][0] | {"Resource": ["arn:aws:s3:::" + "b" * 11_000]}]})
        code, message, status = refused(call("put_{}_policy"), **who, PolicyName="long", PolicyDocument=long)
        most = {"user": 2048, "group": 5120, "role": 10240}[kind]
        assert (code, status) == ("LimitExceeded", 409)
        assert message == f"Maximum policy size of {most} bytes exceeded for {kind} {name}"
        for wrong in ("{", text({"Version": "2012-10-17"}), text(TRUST)):
            code, _, status = refused(call("put_{}_policy"), **who, PolicyName="wrong", PolicyDocument=wrong)
            assert (code, status) == ("MalformedPolicyDocument", 400)
        for policy in ("another", "p"):
            call("delete_{}_policy")(**who, PolicyName=policy)
        missing = f"The {kind} policy with name p cannot be found."
        gone(call("get_{}_policy"), missing, **who, PolicyName="p")
        gone(call("delete_{}_policy"), missing, **who, PolicyName="p")


def test_managed_policies_are_attached_and_detached(iam, entities):
    arn = iam.create_policy(PolicyName="shared", Path="/x/", PolicyDocument=text(ALLOW))["Policy"]["Arn"]
    for kind, who, name in entities:
        call = lambda verb: getattr(iam, verb.format(kind))  # noqa: E731
        for policy in (BASIC, arn, arn):
            call("attach_{}_policy")(**who, PolicyArn=policy)
        attached = call("list_attached_{}_policies")(**who)["AttachedPolicies"]
        assert attached == [
            {"PolicyName": "AWSLambdaBasicExecutionRole", "PolicyArn": BASIC},
            {"PolicyName": "shared", "PolicyArn": arn},
        ]
        assert [it["PolicyArn"] for it in call("list_attached_{}_policies")(**who, PathPrefix="/x/")["AttachedPolicies"]] == [arn]
        missing = f"arn:aws:iam::{ACCOUNT}:policy/missing"
        gone(call("attach_{}_policy"), f"Policy {missing} does not exist or is not attachable.", **who, PolicyArn=missing)
        gone(call("detach_{}_policy"), f"Policy {missing} was not found.", **who, PolicyArn=missing)
        wrong = "arn:aws:s3:::bucket/not-a-policy"
        assert refused(call("attach_{}_policy"), **who, PolicyArn=wrong) == ("InvalidInput", f"ARN {wrong} is not valid.", 400)
    assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 3
    found = iam.list_entities_for_policy(PolicyArn=arn)
    assert [it["UserName"] for it in found["PolicyUsers"]] == ["u"]
    assert [it["GroupName"] for it in found["PolicyGroups"]] == ["g"]
    assert [it["RoleName"] for it in found["PolicyRoles"]] == ["r"]
    assert iam.list_entities_for_policy(PolicyArn=arn, EntityFilter="Role")["PolicyUsers"] == []
    conflict = "Cannot delete a policy attached to entities."
    assert refused(iam.delete_policy, PolicyArn=arn) == ("DeleteConflict", conflict, 409)
    used = [it["Arn"] for it in iam.list_policies(OnlyAttached=True)["Policies"]]
    assert sorted(used) == sorted([arn, BASIC])
    for kind, who, _ in entities:
        for policy in (BASIC, arn):
            getattr(iam, f"detach_{kind}_policy")(**who, PolicyArn=policy)
        gone(getattr(iam, f"detach_{kind}_policy"), f"Policy {arn} was not found.", **who, PolicyArn=arn)
    iam.delete_policy(PolicyArn=arn)


def test_ten_managed_policies_are_the_most(iam, entities):
    made = [iam.create_policy(PolicyName=f"many-{n}", PolicyDocument=text(ALLOW))["Policy"]["Arn"] for n in range(11)]
    for arn in made[:10]:
        iam.attach_role_policy(RoleName="r", PolicyArn=arn)
    quota = "Cannot exceed quota for PoliciesPerRole: 10"
    assert refused(iam.attach_role_policy, RoleName="r", PolicyArn=made[10]) == ("LimitExceeded", quota, 409)
    for arn in made[:10]:
        iam.detach_role_policy(RoleName="r", PolicyArn=arn)
    for arn in made:
        iam.delete_policy(PolicyArn=arn)


def test_a_managed_policy_and_its_versions(iam):
    made = iam.create_policy(PolicyName="p", PolicyDocument=text(ALLOW), Description="d", Tags=[{"Key": "a", "Value": "b"}])
    policy, arn = made["Policy"], made["Policy"]["Arn"]
    assert policy["PolicyId"].startswith("ANPA") and policy["DefaultVersionId"] == "v1" and policy["IsAttachable"]
    taken = "A policy called P already exists. Duplicate names are not allowed."
    assert refused(iam.create_policy, PolicyName="P", PolicyDocument=text(ALLOW)) == ("EntityAlreadyExists", taken, 409)
    found = iam.get_policy(PolicyArn=arn)["Policy"]
    assert (found["Description"], found["AttachmentCount"], found["Tags"]) == ("d", 0, [{"Key": "a", "Value": "b"}])
    assert iam.create_policy_version(PolicyArn=arn, PolicyDocument=text(DENY))["PolicyVersion"]["IsDefaultVersion"] is False
    assert iam.get_policy_version(PolicyArn=arn, VersionId="v2")["PolicyVersion"]["Document"] == DENY
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v2")
    assert iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v2"
    for number in range(3, 6):
        made = iam.create_policy_version(PolicyArn=arn, PolicyDocument=text(ALLOW), SetAsDefault=True)["PolicyVersion"]
        assert (made["VersionId"], made["IsDefaultVersion"]) == (f"v{number}", True)
    code, message, status = refused(iam.create_policy_version, PolicyArn=arn, PolicyDocument=text(ALLOW))
    assert (code, status) == ("LimitExceeded", 409) and message.startswith("A managed policy can have up to 5 versions.")
    listed = iam.list_policy_versions(PolicyArn=arn)["Versions"]
    assert [(it["VersionId"], it["IsDefaultVersion"]) for it in listed] == [
        ("v5", True), ("v4", False), ("v3", False), ("v2", False), ("v1", False),
    ]
    in_force = "Cannot delete the default version of a policy."
    assert refused(iam.delete_policy_version, PolicyArn=arn, VersionId="v5") == ("DeleteConflict", in_force, 409)
    assert refused(iam.delete_policy, PolicyArn=arn)[0] == "DeleteConflict"
    for number in range(1, 5):
        iam.delete_policy_version(PolicyArn=arn, VersionId=f"v{number}")
    missing = f"Policy {arn} version v1 does not exist or is not attachable."
    gone(iam.get_policy_version, missing, PolicyArn=arn, VersionId="v1")
    gone(iam.set_default_policy_version, missing, PolicyArn=arn, VersionId="v1")
    assert iam.create_policy_version(PolicyArn=arn, PolicyDocument=text(DENY))["PolicyVersion"]["VersionId"] == "v6"
    iam.delete_policy_version(PolicyArn=arn, VersionId="v6")
    iam.tag_policy(PolicyArn=arn, Tags=[{"Key": "c", "Value": "d"}])
    iam.untag_policy(PolicyArn=arn, TagKeys=["a"])
    assert iam.list_policy_tags(PolicyArn=arn)["Tags"] == [{"Key": "c", "Value": "d"}]
    iam.delete_policy(PolicyArn=arn)
    gone(iam.get_policy, f"Policy {arn} was not found.", PolicyArn=arn)
    quota = "Cannot exceed quota for PolicySize: 6144"
    long = text(ALLOW | {"Statement": [ALLOW["Statement"][0] | {"Resource": "arn:aws:s3:::" + "b" * 6_200}]})
    assert refused(iam.create_policy, PolicyName="long", PolicyDocument=long) == ("LimitExceeded", quota, 409)


def test_aws_has_its_own_policies_and_nobody_changes_them(iam):
    policy = iam.get_policy(PolicyArn=BASIC)["Policy"]
    assert (policy["PolicyId"], policy["Path"], policy["DefaultVersionId"]) == ("ANPAJNCQGXC42545SKXIK", "/service-role/", "v1")
    document = iam.get_policy_version(PolicyArn=BASIC, VersionId="v1")["PolicyVersion"]["Document"]
    assert document["Statement"][0]["Action"] == ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
    names = {it["PolicyName"] for it in iam.list_policies(Scope="AWS")["Policies"]}
    assert names >= {"AdministratorAccess", "ReadOnlyAccess", "AWSLambda_FullAccess", "AWSLambdaVPCAccessExecutionRole"}
    assert iam.list_policies(Scope="Local", PathPrefix="/service-role/")["Policies"] == []
    assert refused(iam.delete_policy, PolicyArn=BASIC)[0] == "AccessDenied"
    assert refused(iam.create_policy_version, PolicyArn=BASIC, PolicyDocument=text(ALLOW))[0] == "AccessDenied"
    missing = "arn:aws:iam::aws:policy/NoSuchPolicy"
    gone(iam.get_policy, f"Policy {missing} was not found.", PolicyArn=missing)


def test_access_keys_open_what_their_user_is_until_they_are_switched_off(server, iam):
    iam.create_user(UserName="keyed")
    key = iam.create_access_key(UserName="keyed")["AccessKey"]
    assert key["AccessKeyId"].startswith("AKIA") and len(key["AccessKeyId"]) == 20 and len(key["SecretAccessKey"]) == 40
    pair = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    sts = server.client("sts", **pair)
    unused = iam.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])
    assert (unused["UserName"], unused["AccessKeyLastUsed"]) == ("keyed", {"ServiceName": "N/A", "Region": "N/A"})
    assert sts.get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/keyed"
    used = iam.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])["AccessKeyLastUsed"]
    assert (used["ServiceName"], used["Region"]) == ("sts", "us-east-1") and "LastUsedDate" in used
    wrong = server.client("sts", **pair | {"aws_secret_access_key": "x" * 40})
    assert refused(wrong.get_caller_identity)[0] == "SignatureDoesNotMatch"
    iam.update_access_key(UserName="keyed", AccessKeyId=key["AccessKeyId"], Status="Inactive")
    assert refused(sts.get_caller_identity) == (
        "InvalidClientTokenId",
        "The security token included in the request is invalid.",
        403,
    )
    listed = iam.list_access_keys(UserName="keyed")["AccessKeyMetadata"]
    assert [(it["AccessKeyId"], it["Status"]) for it in listed] == [(key["AccessKeyId"], "Inactive")]
    iam.update_access_key(UserName="keyed", AccessKeyId=key["AccessKeyId"], Status="Active")
    assert sts.get_caller_identity()["Account"] == ACCOUNT
    second = iam.create_access_key(UserName="keyed")["AccessKey"]["AccessKeyId"]
    quota = "Cannot exceed quota for AccessKeysPerUser: 2"
    assert refused(iam.create_access_key, UserName="keyed") == ("LimitExceeded", quota, 409)
    for known in (second, key["AccessKeyId"]):
        iam.delete_access_key(UserName="keyed", AccessKeyId=known)
    assert refused(sts.get_caller_identity)[0] == "InvalidClientTokenId"
    missing = f"The Access Key with id {second} cannot be found."
    gone(iam.delete_access_key, missing, UserName="keyed", AccessKeyId=second)
    gone(iam.update_access_key, missing, UserName="keyed", AccessKeyId=second, Status="Active")
    gone(iam.get_access_key_last_used, missing, AccessKeyId=second)
    assert refused(iam.create_access_key)[0] == "InvalidInput"
    iam.delete_user(UserName="keyed")


def test_lists_come_in_pages(server):
    iam = server.client("iam", "202020202020")
    names = [f"user-{n}" for n in range(7)]
    for name in names:
        iam.create_user(UserName=name)
    first = iam.list_users(MaxItems=3)
    assert [it["UserName"] for it in first["Users"]] == names[:3] and first["IsTruncated"] and first["Marker"]
    pages = iam.get_paginator("list_users").paginate(PaginationConfig={"PageSize": 3})
    assert [it["UserName"] for page in pages for it in page["Users"]] == names
    assert iam.list_users(MaxItems=7)["IsTruncated"] is False
    assert refused(iam.list_users, Marker="never given out!")[0] == "ValidationError"


def test_the_account_has_an_alias_and_a_summary(server):
    iam, other = server.client("iam", "303030303030"), server.client("iam", "404040404040")
    assert iam.list_account_aliases()["AccountAliases"] == []
    iam.create_account_alias(AccountAlias="three-zero")
    assert refused(other.create_account_alias, AccountAlias="three-zero")[0] == "EntityAlreadyExists"
    iam.create_account_alias(AccountAlias="thirty")
    assert iam.list_account_aliases()["AccountAliases"] == ["thirty"]
    gone(iam.delete_account_alias, "The account alias with name three-zero cannot be found.", AccountAlias="three-zero")
    iam.delete_account_alias(AccountAlias="thirty")
    assert iam.list_account_aliases()["AccountAliases"] == []
    iam.create_user(UserName="only")
    summary = iam.get_account_summary()["SummaryMap"]
    assert (summary["Users"], summary["UsersQuota"], summary["AccessKeysPerUserQuota"]) == (1, 5000, 2)
    root = iam.get_user()["User"]
    assert (root["UserId"], root["Arn"]) == ("303030303030", "arn:aws:iam::303030303030:root")


def test_everything_that_decides_is_shown_at_once(server):
    iam = server.client("iam", "505050505050")
    arn = iam.create_policy(PolicyName="own", PolicyDocument=text(ALLOW))["Policy"]["Arn"]
    iam.create_group(GroupName="g")
    iam.put_group_policy(GroupName="g", PolicyName="in", PolicyDocument=text(DENY))
    iam.create_user(UserName="u")
    iam.add_user_to_group(UserName="u", GroupName="g")
    iam.attach_user_policy(UserName="u", PolicyArn=arn)
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=text(TRUST))
    iam.attach_role_policy(RoleName="r", PolicyArn=BASIC)
    details = iam.get_account_authorization_details()
    assert details["UserDetailList"][0]["GroupList"] == ["g"]
    assert details["UserDetailList"][0]["AttachedManagedPolicies"] == [{"PolicyName": "own", "PolicyArn": arn}]
    assert details["GroupDetailList"][0]["GroupPolicyList"] == [{"PolicyName": "in", "PolicyDocument": DENY}]
    assert details["RoleDetailList"][0]["AssumeRolePolicyDocument"] == TRUST
    shown = {it["PolicyName"]: it["PolicyVersionList"][0] for it in details["Policies"]}
    assert sorted(shown) == ["AWSLambdaBasicExecutionRole", "own"] and shown["own"]["Document"] == ALLOW
    assert iam.get_account_authorization_details(Filter=["Role"])["UserDetailList"] == []


def test_policies_are_simulated(server):
    iam = server.client("iam", "606060606060")
    iam.create_user(UserName="u")
    iam.put_user_policy(UserName="u", PolicyName="in", PolicyDocument=text(ALLOW))
    user = "arn:aws:iam::606060606060:user/u"

    def decisions(answer):
        return [(it["EvalActionName"], it["EvalResourceName"], it["EvalDecision"]) for it in answer["EvaluationResults"]]

    answer = iam.simulate_principal_policy(PolicySourceArn=user, ActionNames=["s3:GetObject", "s3:PutObject"])
    assert decisions(answer) == [("s3:GetObject", "*", "allowed"), ("s3:PutObject", "*", "implicitDeny")]
    matched = answer["EvaluationResults"][0]["MatchedStatements"]
    assert [(it["SourcePolicyId"], it["SourcePolicyType"]) for it in matched] == [("in", "user")]
    answer = iam.simulate_principal_policy(
        PolicySourceArn=user, ActionNames=["s3:GetObject"], PolicyInputList=[text(DENY)]
    )
    assert decisions(answer) == [("s3:GetObject", "*", "explicitDeny")]
    assert answer["EvaluationResults"][0]["MatchedStatements"][-1]["SourcePolicyId"] == "PolicyInputList.1"
    conditional = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Action": "s3:*",
            "Resource": "arn:aws:s3:::b/${aws:username}/*",
            "Condition": {"Bool": {"aws:SecureTransport": "true"}},
        },
    }
    keys = iam.get_context_keys_for_custom_policy(PolicyInputList=[text(conditional)])["ContextKeyNames"]
    assert sorted(key.lower() for key in keys) == ["aws:securetransport", "aws:username"]
    iam.put_user_policy(UserName="u", PolicyName="cond", PolicyDocument=text(conditional))
    keys = iam.get_context_keys_for_principal_policy(PolicySourceArn=user)["ContextKeyNames"]
    assert len(keys) == 2
    asked = {"PolicyInputList": [text(conditional)], "ActionNames": ["s3:GetObject"], "ResourceArns": ["arn:aws:s3:::b/ada/x"]}
    answer = iam.simulate_custom_policy(**asked, ContextEntries=[
        {"ContextKeyName": "aws:username", "ContextKeyValues": ["ada"], "ContextKeyType": "string"},
        {"ContextKeyName": "aws:SecureTransport", "ContextKeyValues": ["true"], "ContextKeyType": "boolean"},
    ])
    assert decisions(answer) == [("s3:GetObject", "arn:aws:s3:::b/ada/x", "allowed")]
    answer = iam.simulate_custom_policy(**asked, PermissionsBoundaryPolicyInputList=[text(ALLOW)], ContextEntries=[
        {"ContextKeyName": "aws:username", "ContextKeyValues": ["ada"], "ContextKeyType": "string"},
    ])
    assert answer["EvaluationResults"][0]["EvalDecision"] == "implicitDeny"
    assert [key.lower() for key in answer["EvaluationResults"][0]["MissingContextValues"]] == ["aws:securetransport"]
    assert answer["EvaluationResults"][0]["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": True}
    missing = "arn:aws:iam::606060606060:user/nobody"
    assert refused(iam.simulate_principal_policy, PolicySourceArn=missing, ActionNames=["s3:GetObject"])[0] == "NoSuchEntity"
    assert refused(iam.simulate_custom_policy, PolicyInputList=["{"], ActionNames=["s3:GetObject"])[0] == "InvalidInput"
    assert refused(iam.get_context_keys_for_custom_policy, PolicyInputList=["{"])[0] == "InvalidInput"


@pytest.mark.parametrize(
    "call, arguments, words",
    [
        ("create_user", {"UserName": "sp ace"}, "at 'userName'"),
        ("create_user", {"UserName": "u", "Path": "no-slash"}, "at 'path'"),
        ("create_role", {"RoleName": "r" * 65, "AssumeRolePolicyDocument": text(TRUST)}, "at 'roleName'"),
        ("list_users", {"MaxItems": 1001}, "at 'maxItems'"),
    ],
)
def test_what_the_model_does_not_allow_is_refused(iam, call, arguments, words):
    code, message, status = refused(getattr(iam, call), **arguments)
    assert (code, status) == ("ValidationError", 400) and words in message


@pytest.mark.parametrize(
    "tags, code",
    [
        ([{"Key": "a", "Value": "1"}, {"Key": "A", "Value": "2"}], "InvalidInput"),
        ([{"Key": "aws:mine", "Value": "1"}], "InvalidInput"),
        ([{"Key": f"k{n}", "Value": "v"} for n in range(51)], "ValidationError"),
    ],
)
def test_tags_are_checked(iam, tags, code):
    assert refused(iam.create_user, UserName="tagged", Tags=tags)[0] == code
    gone(iam.get_user, "The user with name tagged cannot be found.", UserName="tagged")


def test_trust_policies_are_checked(iam):
    for wrong in ("{", text(ALLOW), text({"Version": "2012-10-17", "Statement": []})):
        code, _, status = refused(iam.create_role, RoleName="wrong", AssumeRolePolicyDocument=wrong)
        assert (code, status) == ("MalformedPolicyDocument", 400)


U, G, R = {"UserName": "nobody"}, {"GroupName": "nobody"}, {"RoleName": "nobody"}
P = {"PolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/nothing"}
INLINE, DOCUMENT = {"PolicyName": "nothing"}, {"PolicyDocument": text(ALLOW)}
TAGS, KEYS, VERSION = {"Tags": [{"Key": "a", "Value": "b"}]}, {"TagKeys": ["a"]}, {"VersionId": "v1"}
KEY = {"AccessKeyId": "AKIAIOSFODNN7EXAMPLE"}
SOURCE = {"PolicySourceArn": f"arn:aws:iam::{ACCOUNT}:role/nobody"}
ABSENT = {
    "GetUser": U,
    "UpdateUser": U | {"NewPath": "/x/"},
    "DeleteUser": U,
    "TagUser": U | TAGS,
    "UntagUser": U | KEYS,
    "ListUserTags": U,
    "ListGroupsForUser": U,
    "PutUserPolicy": U | INLINE | DOCUMENT,
    "GetUserPolicy": U | INLINE,
    "DeleteUserPolicy": U | INLINE,
    "ListUserPolicies": U,
    "AttachUserPolicy": U | {"PolicyArn": BASIC},
    "DetachUserPolicy": U | {"PolicyArn": BASIC},
    "ListAttachedUserPolicies": U,
    "PutUserPermissionsBoundary": U | {"PermissionsBoundary": BASIC},
    "DeleteUserPermissionsBoundary": U,
    "CreateAccessKey": U,
    "ListAccessKeys": U,
    "UpdateAccessKey": U | KEY | {"Status": "Inactive"},
    "DeleteAccessKey": U | KEY,
    "GetAccessKeyLastUsed": KEY,
    "GetGroup": G,
    "UpdateGroup": G | {"NewPath": "/x/"},
    "DeleteGroup": G,
    "AddUserToGroup": G | U,
    "RemoveUserFromGroup": G | U,
    "PutGroupPolicy": G | INLINE | DOCUMENT,
    "GetGroupPolicy": G | INLINE,
    "DeleteGroupPolicy": G | INLINE,
    "ListGroupPolicies": G,
    "AttachGroupPolicy": G | {"PolicyArn": BASIC},
    "DetachGroupPolicy": G | {"PolicyArn": BASIC},
    "ListAttachedGroupPolicies": G,
    "GetRole": R,
    "UpdateRole": R,
    "UpdateRoleDescription": R | {"Description": "d"},
    "UpdateAssumeRolePolicy": R | {"PolicyDocument": text(TRUST)},
    "DeleteRole": R,
    "TagRole": R | TAGS,
    "UntagRole": R | KEYS,
    "ListRoleTags": R,
    "PutRolePolicy": R | INLINE | DOCUMENT,
    "GetRolePolicy": R | INLINE,
    "DeleteRolePolicy": R | INLINE,
    "ListRolePolicies": R,
    "AttachRolePolicy": R | {"PolicyArn": BASIC},
    "DetachRolePolicy": R | {"PolicyArn": BASIC},
    "ListAttachedRolePolicies": R,
    "PutRolePermissionsBoundary": R | {"PermissionsBoundary": BASIC},
    "DeleteRolePermissionsBoundary": R,
    "ListInstanceProfilesForRole": R,
    "GetPolicy": P,
    "DeletePolicy": P,
    "CreatePolicyVersion": P | DOCUMENT,
    "GetPolicyVersion": P | VERSION,
    "ListPolicyVersions": P,
    "DeletePolicyVersion": P | VERSION,
    "SetDefaultPolicyVersion": P | VERSION,
    "TagPolicy": P | TAGS,
    "UntagPolicy": P | KEYS,
    "ListPolicyTags": P,
    "ListEntitiesForPolicy": P,
    "DeleteAccountAlias": {"AccountAlias": "nothing"},
    "SimulatePrincipalPolicy": SOURCE | {"ActionNames": ["s3:GetObject"]},
    "GetContextKeysForPrincipalPolicy": SOURCE,
}


@pytest.mark.parametrize("operation", ABSENT)
def test_what_names_nothing_there_is_no_such_entity(iam, operation):
    code, _, status = refused(getattr(iam, xform_name(operation)), **ABSENT[operation])
    assert (code, status) == ("NoSuchEntity", 404)


LISTS = ["ListUsers", "ListGroups", "ListRoles", "ListPolicies", "GetAccountAuthorizationDetails"]


@pytest.mark.parametrize("operation", LISTS)
def test_a_marker_that_was_never_given_out_is_refused(iam, operation):
    answer = refused(getattr(iam, xform_name(operation)), Marker="never!")
    assert answer == ("ValidationError", "Invalid Marker.", 400)


def test_what_is_not_there_is_refused_by_name(iam):
    code, message, _ = refused(iam.create_instance_profile, InstanceProfileName="p")
    assert code == "InvalidAction" and "CreateInstanceProfile" in message
    arn = "arn:aws:iam::123456789012:user/u"
    code, message, _ = refused(iam.list_policies_granting_service_access, Arn=arn, ServiceNamespaces=["s3"])
    assert code == "InvalidAction" and "ListPoliciesGrantingServiceAccess" in message


def test_what_was_answered_survives_the_death_of_the_server(tmp_path):
    with Server("--data-dir", tmp_path / "hearth") as server:
        iam = server.client("iam")
        iam.create_group(GroupName="g")
        iam.create_user(UserName="u", Path="/x/")
        iam.add_user_to_group(UserName="u", GroupName="g")
        arn = iam.create_policy(PolicyName="p", PolicyDocument=text(ALLOW))["Policy"]["Arn"]
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=text(DENY), SetAsDefault=True)
        role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=text(TRUST))["Role"]
        iam.attach_role_policy(RoleName="r", PolicyArn=arn)
        iam.create_account_alias(AccountAlias="durable")
        key = iam.create_access_key(UserName="u")["AccessKey"]
        server.kill()
    with Server("--data-dir", tmp_path / "hearth") as server:
        iam = server.client("iam")
        assert [it["GroupName"] for it in iam.list_groups_for_user(UserName="u")["Groups"]] == ["g"]
        assert iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v2"
        assert iam.get_role(RoleName="r")["Role"]["RoleId"] == role["RoleId"]
        assert iam.list_attached_role_policies(RoleName="r")["AttachedPolicies"][0]["PolicyArn"] == arn
        assert iam.list_account_aliases()["AccountAliases"] == ["durable"]
        pair = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
        assert server.client("sts", **pair).get_caller_identity()["Arn"].endswith(":user/x/u")
    stored = b"".join(path.read_bytes() for path in (tmp_path / "hearth").rglob("*") if path.is_file())
    assert key["AccessKeyId"].encode() in stored and key["SecretAccessKey"].encode() not in stored
