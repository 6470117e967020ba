"""Every operation that names a thing, asked about one that is not there."""

import pytest
from botocore import xform_name
from test_functions import refused

FUNCTION = {"FunctionName": "nobody"}
ARN = {"Resource": "arn:aws:lambda:us-east-1:000000000000:function:nobody"}
LAYER = {"LayerName": "nobody", "VersionNumber": 1}
GROUP, STREAM = {"logGroupName": "nobody"}, {"logStreamName": "s"}
GROUP_ARN = {"resourceArn": "arn:aws:logs:us-east-1:000000000000:log-group:nobody"}
ABSENT, WRONG, VALUE = "ResourceNotFoundException", "InvalidParameterException", "InvalidParameterValueException"

CASES = [
    # the service, the operation, what it is asked, and the error
    ("lambda", "DeleteFunction", FUNCTION, ABSENT),
    ("lambda", "GetFunction", FUNCTION, ABSENT),
    ("lambda", "GetFunctionConfiguration", FUNCTION, ABSENT),
    ("lambda", "Invoke", FUNCTION, ABSENT),
    ("lambda", "InvokeWithResponseStream", FUNCTION, ABSENT),
    ("lambda", "ListTags", ARN, ABSENT),
    ("lambda", "TagResource", ARN | {"Tags": {"a": "b"}}, ABSENT),
    ("lambda", "UntagResource", ARN | {"TagKeys": ["a"]}, ABSENT),
    ("lambda", "UpdateFunctionCode", FUNCTION | {"ZipFile": b"x"}, ABSENT),
    ("lambda", "UpdateFunctionConfiguration", FUNCTION | {"Timeout": 4}, ABSENT),
    ("lambda", "AddLayerVersionPermission",
     LAYER | {"StatementId": "s", "Action": "lambda:GetLayerVersion", "Principal": "*"}, ABSENT),
    ("lambda", "DeleteLayerVersion", LAYER | {"VersionNumber": 0}, VALUE),
    ("lambda", "GetLayerVersion", LAYER, ABSENT),
    ("lambda", "GetLayerVersionByArn", {"Arn": "arn:aws:lambda:us-east-1:000000000000:layer:nobody:1"}, ABSENT),
    ("lambda", "GetLayerVersionPolicy", LAYER, ABSENT),
    ("lambda", "RemoveLayerVersionPermission", LAYER | {"StatementId": "s"}, ABSENT),
    ("lambda", "ListFunctions", {"Marker": "%"}, VALUE),
    ("lambda", "ListLayers", {"Marker": "%"}, VALUE),
    ("lambda", "ListLayerVersions", {"LayerName": "nobody", "Marker": "%"}, VALUE),
    ("logs", "CreateLogStream", GROUP | STREAM, ABSENT),
    ("logs", "DeleteLogGroup", GROUP, ABSENT),
    ("logs", "DeleteLogStream", GROUP | STREAM, ABSENT),
    ("logs", "DeleteRetentionPolicy", GROUP, ABSENT),
    ("logs", "DescribeLogGroups", {"nextToken": "nonsense"}, WRONG),
    ("logs", "DescribeLogStreams", GROUP, ABSENT),
    ("logs", "FilterLogEvents", GROUP, ABSENT),
    ("logs", "GetLogEvents", GROUP | STREAM, ABSENT),
    ("logs", "ListTagsForResource", GROUP_ARN, ABSENT),
    ("logs", "ListTagsLogGroup", GROUP, ABSENT),
    ("logs", "PutLogEvents", GROUP | STREAM | {"logEvents": [{"timestamp": 1, "message": "x"}]}, ABSENT),
    ("logs", "PutRetentionPolicy", GROUP | {"retentionInDays": 1}, ABSENT),
    ("logs", "TagLogGroup", GROUP | {"tags": {"a": "b"}}, ABSENT),
    ("logs", "TagResource", GROUP_ARN | {"tags": {"a": "b"}}, ABSENT),
    ("logs", "UntagLogGroup", GROUP | {"tags": ["a"]}, ABSENT),
    ("logs", "UntagResource", GROUP_ARN | {"tagKeys": ["a"]}, ABSENT),
]


@pytest.mark.parametrize("service, operation, asked, error", CASES, ids=[f"{case[0]}-{case[1]}" for case in CASES])
def test_what_is_not_there_is_an_error_of_aws(server, service, operation, asked, error):
    told = refused(getattr(server.client(service), xform_name(operation)), **asked)
    assert told[0] == error and told[2] in (400, 404), told
